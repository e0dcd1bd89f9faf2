"""Wikis: pages, their Markdown and their attachments.

Source: the chapter "Wiki Page Services" of https://rest-docs.synapse.org
"""

import gzip
import os
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
    SynapseDownloadError,
    SynapseHTTPError,
)
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.ids import parse_numeric_id
from synapse_workflows.client.model.paths import expand_path
from synapse_workflows.client.model.wikis import (
    Wiki,
    WikiAttachment,
    get_owner_path,
    get_page_name,
    get_page_url,
)
from synapse_workflows.client.transfer.download import download_file
from synapse_workflows.client.transfer.upload import upload_file
from synapse_workflows.client.transfer.upload_source import UploadSource

#: Reasons of status 400 for a second root page.
_SECOND_ROOT_REASONS: Final = ("DuplicateKeyException", "A root wiki already exists")
_GZIP_MAGIC: Final = b"\x1f\x8b"


def getWiki(syn: Session, owner: Any, subpageId: Any = None, version: Any = None) -> Wiki:
    """Get a wiki page with its Markdown.

    A page has no entity version: in the provenance of a task, it is a URL.

    Args:
        syn: The session that sends the requests.
        owner: An entity or its ID, or an `Evaluation`.
        subpageId: ID of a page, or the page; None for the root page.
        version: Version of the page, from 0; None for the current version.

    Returns:
        The page. ``markdown`` is the text; ``markdown_path`` is the path of the downloaded file,
        which is usually compressed.

    Raises:
        ValueError: An ID or the version is invalid.
        SynapseNotFoundError: The owner has no wiki, no such page, or the page has no such version.
        SynapseForbiddenError: The caller may not read the owner.
        SynapseDownloadError: The Markdown cannot be downloaded, or is not UTF-8.

    Source:
        GET /entity/{ownerId}/wiki2, GET /entity/{ownerId}/wiki2/{wikiId},
        POST /fileHandle/batch of the file service
        https://rest-docs.synapse.org/rest/GET/entity/ownerId/wiki2/wikiId.html
    """
    wiki = get_unannounced(syn, owner, subpageId, version)
    url = get_page_url(wiki, syn.portalEndpoint)
    syn.emit(Read(None, name=get_page_name(wiki, version), how="getWiki", url=url))
    return wiki


def get_unannounced(
    syn: Session,
    owner: Any,
    subpageId: Any = None,
    version: Any = None,
) -> Wiki:
    """Get a wiki page, as `getWiki` does, but without emitting a `Read` event.

    Args:
        syn: The session that sends the requests.
        owner: As for `getWiki`.
        subpageId: As for `getWiki`.
        version: As for `getWiki`.
    """
    path = f"{get_owner_path(owner)}/wiki2"
    if subpageId is not None:
        path += f"/{parse_numeric_id(subpageId, 'wiki page')}"
    params = None if version is None else {"wikiVersion": _parse_version(version)}
    wiki = Wiki(**{**syn.call("GET", path, params=params).object, "owner": owner})
    handle = wiki.get("markdownFileHandleId")
    if handle is None:
        wiki.update({"markdown": "", "markdown_path": None})
        return wiki
    downloaded = download_file(
        syn,
        file_handle={"id": handle, "fileName": f"{handle}.md"},
        associate_type="WikiMarkdown",
        associate_id=wiki.id,
    )
    path = str(downloaded)  # only the option keep.local returns no path
    wiki.update({"markdown": _read_markdown(wiki, Path(path)), "markdown_path": path})
    return wiki


def getWikiHeaders(syn: Session, owner: Any) -> list[DictObject]:
    """List the pages of a wiki.

    Args:
        syn: The session that sends the requests: one for each 20 pages.
        owner: An entity or its ID, or an `Evaluation`.

    Returns:
        For each page ``id``, ``title`` and ``parentId``, the root page first. The root page has
        no ``parentId``. ``title`` is None for a page without a title.

    Raises:
        ValueError: The owner has no ID.
        SynapseNotFoundError: The owner has no wiki.
        SynapseForbiddenError: The caller may not read the owner.

    Source:
        GET /entity/{ownerId}/wikiheadertree
        https://rest-docs.synapse.org/rest/GET/entity/ownerId/wikiheadertree.html
    """
    call = flows.Call("GET", f"{get_owner_path(owner)}/wikiheadertree")
    return [
        DictObject(**{"title": None, **each}) for each in syn.iter_items(flows.with_offset(call))
    ]


def getWikiAttachments(syn: Session, wiki: Wiki) -> list[WikiAttachment]:
    """List the attachments of a wiki page and their previews.

    Args:
        syn: The session that sends the request.
        wiki: A page with its ID, as returned by `getWiki` or `store`.

    Raises:
        TypeError: `wiki` is not a `Wiki`.
        ValueError: The page has no ID.
        SynapseNotFoundError: The page does not exist.
        SynapseForbiddenError: The caller may not read the owner.

    Source:
        GET /entity/{ownerId}/wiki/{wikiId}/attachmenthandles
        https://rest-docs.synapse.org/rest/GET/entity/ownerId/wiki/wikiId/attachmenthandles.html
    """
    if not isinstance(wiki, Wiki):
        raise TypeError(
            f"Invalid wiki {wiki!r:.80}: expected a Wiki. Get the page with getWiki()."
        )
    found = syn.call("GET", f"{wiki.getURI()}/attachmenthandles").object["list"]
    return [WikiAttachment(**each) for each in found]


def store_wiki(syn: Session, wiki: Wiki, *, create_or_update: bool) -> Wiki:
    """Upload the attachments of a wiki page, and create or update the page.

    An attachment replaces an attachment of the page with the same file name. Without an ``etag``,
    or without a Markdown, the given fields are laid over the current page. Such an update without
    an ``etag`` is repeated if another client changes the page meanwhile.

    Args:
        syn: The session that sends the requests.
        wiki: The page; with an ``id`` to update this page.
        create_or_update: Whether to update an existing root page of the owner.

    Raises:
        TypeError: An attachment is not a path.
        ValueError: Two attachments have the same name, or an attachment is empty.
        FileNotFoundError: An attachment does not exist.
        SynapseConflictError: The owner has a root page, and `create_or_update` is False.
        SynapseStaleError: The page was changed since its etag was read.
        SynapseForbiddenError: The caller may not change the owner, or does not own a file handle.

    Source:
        POST /entity/{ownerId}/wiki, PUT /entity/{ownerId}/wiki/{wikiId}, POST /file/multipart of
        the file service
        https://rest-docs.synapse.org/rest/POST/entity/ownerId/wiki.html
    """
    page = _upload_attachments(syn, wiki)
    if page.get("id") is not None:
        return _update(syn, page)
    try:
        return _send(syn, "POST", page.postURI(), page)
    except (SynapseConflictError, SynapseBadRequestError) as error:
        if not create_or_update or not _is_second_root(page, error):
            raise
    return _update(syn, page)


def _update(syn: Session, page: Wiki) -> Wiki:
    """Update the page with an ID, or else the root page."""
    if page.get("id") and page.get("etag") and page.markdown is not None:
        return _send(syn, "PUT", page.putURI(), page)
    given = {key: value for key, value in page.items() if value is not None}

    def update() -> Wiki:
        current = get_unannounced(syn, page, page.get("id"))
        # The etag of a page without an ID belongs to another page.
        etag = given.get("etag") if page.get("id") else None
        merged = Wiki(**{**current, **given, "id": current.id, "etag": etag or current.etag})
        return _send(syn, "PUT", merged.putURI(), merged)

    return update() if page.get("id") and page.get("etag") else retry_stale(update)


def _send(syn: Session, method: str, path: str, page: Wiki) -> Wiki:
    stored = syn.call(method, path, json=page.to_json()).object
    owner = {key: page[key] for key in ("ownerId", "ownerObjectType") if key in page}
    return Wiki(**{**stored, **owner})


def _is_second_root(page: Wiki, error: SynapseHTTPError) -> bool:
    """Return whether Synapse refused a page because the owner has a root page."""
    if page.get("parentWikiId") is not None:
        return False
    if isinstance(error, SynapseConflictError):
        return True
    return any(reason in str(error.reason) for reason in _SECOND_ROOT_REASONS)


def _upload_attachments(syn: Session, wiki: Wiki) -> Wiki:
    """Return the page with the file handles of its uploaded attachments."""
    page = wiki.copy()
    attachments = page.pop("attachments", None) or ()
    paths = [attachments] if isinstance(attachments, str | os.PathLike) else attachments
    if not _are_paths(paths):
        raise TypeError(
            f"Invalid attachments {attachments!r:.80}: expected paths of files, for example "
            "['plot.png']. Pass IDs of file handles as fileHandles."
        )
    sources = [UploadSource.of(expand_path(path)).path for path in paths]
    _require_unique([path.name for path in sources])
    uploaded = {}
    for path in sources:
        result = upload_file(syn, path)
        syn.cache.add(result.file_handle_id, path, result.md5)
        uploaded[path.name] = result.file_handle_id
    if uploaded:
        kept = _list_other_attachments(syn, page, uploaded)
        page.attachmentFileHandleIds = [*dict.fromkeys([*kept, *uploaded.values()])]
    return page


def _are_paths(paths: Any) -> bool:
    is_list = isinstance(paths, list | tuple | set | frozenset)
    return is_list and all(isinstance(each, str | os.PathLike) for each in paths)


def _list_other_attachments(syn: Session, page: Wiki, names: Any) -> list[str]:
    """List the file handles of a page whose file names are not among new names.

    Synapse keeps the newest of several file handles with one name. An upload may return an older
    file handle than that of the page, if its content was uploaded before.
    """
    handles: list[str] = page.attachmentFileHandleIds
    if not handles or page.get("id") is None:
        return handles
    replaced = {each.id for each in getWikiAttachments(syn, page) if each.fileName in names}
    return [each for each in handles if each not in replaced]


def _require_unique(names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(
            f"Several attachments have the name {repeated[0]!r}: a wiki page keeps one file of a "
            "name. Rename the files."
        )


def _parse_version(version: Any) -> int:
    text = str(version)
    if isinstance(version, bool) or not (text.isascii() and text.isdecimal()):
        raise ValueError(f"Invalid version {version!r} of a wiki page: expected 0, 1, 2, ...")
    return int(text)


def _read_markdown(wiki: Wiki, path: Path) -> str:
    """Read the file of a Markdown, which may be compressed."""
    data = path.read_bytes()
    try:
        return (gzip.decompress(data) if data.startswith(_GZIP_MAGIC) else data).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise SynapseDownloadError(
            f"Cannot read the Markdown of wiki page {wiki.id} in {path}: {error}. Store the page "
            "again with a text in UTF-8."
        ) from error

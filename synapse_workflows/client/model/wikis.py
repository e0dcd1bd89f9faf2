"""Wiki pages and their attachments."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.evaluations import Evaluation
from synapse_workflows.client.model.ids import parse_entity_id, parse_numeric_id
from synapse_workflows.client.model.paths import expand_path, is_local_file
from synapse_workflows.client.model.rest_object import RestObject

_PROPERTIES: Final = (
    "title",
    "markdown",
    "attachmentFileHandleIds",
    "id",
    "etag",
    "createdBy",
    "createdOn",
    "modifiedBy",
    "modifiedOn",
    "parentWikiId",
)

#: Type of an owner that is an evaluation.
_EVALUATION: Final = "EVALUATION"


class Wiki(RestObject):
    """A wiki page of an entity or of an evaluation; the keys are those of the REST API.

    Args:
        **kwargs: ``owner`` (the entity or its ID, or an `Evaluation`), ``title``, ``markdown`` or
            ``markdownFile`` (path of a file in UTF-8), ``attachments`` (paths of files that
            `store` uploads), ``fileHandles`` (file handles to attach, or their IDs),
            ``parentWikiId`` (the parent page or its ID; None for the root page), and for stored
            pages ``id``,
            ``etag``, ``attachmentFileHandleIds``, ``createdOn``, ``createdBy``, ``modifiedOn``,
            ``modifiedBy``. The ID of the owner is the item ``ownerId``.

    Raises:
        ValueError: `owner` is missing; the ID of the owner, of a file handle or of the parent page
            is invalid; both `markdown` and `markdownFile` are given; or the file does not exist
            or is not UTF-8.
        TypeError: `markdown` is not text, or `markdownFile` is not a path.
    """

    def __init__(self, **kwargs: Any) -> None:
        owner = kwargs.pop("owner", None) or kwargs.pop("ownerId", None)
        if owner is None:
            raise ValueError(
                "Wiki constructor must have an owner specified: owner=, the entity or its ID."
            )
        markdown, path = kwargs.pop("markdown", None), kwargs.pop("markdownFile", None)
        handles = _parse_handles(kwargs.pop("attachmentFileHandleIds", None))
        handles += _parse_handles(kwargs.pop("fileHandles", None))
        owner_id, owner_type = _parse_owner(owner, kwargs.pop("ownerObjectType", None))
        super().__init__(**kwargs, ownerId=owner_id, attachmentFileHandleIds=handles)
        if owner_type is not None:
            self["ownerObjectType"] = owner_type
        self.update_markdown(markdown, path)
        parent = self.get("parentWikiId")
        if parent is not None:  # Synapse accepts no empty ID
            self["parentWikiId"] = parse_numeric_id(parent, "wiki page") if parent != "" else None

    def update_markdown(
        self, markdown: str | None = None, markdown_file: str | os.PathLike[str] | None = None
    ) -> None:
        """Replace the markdown.

        Args:
            markdown: The new markdown.
            markdown_file: Path of a file in UTF-8 with the new markdown, instead of `markdown`.

        Raises:
            ValueError: Both arguments are given, or the file does not exist or is not UTF-8.
            TypeError: `markdown` is not text, or `markdown_file` is not a path.
        """
        if markdown and markdown_file:
            raise ValueError("Please use only one argument: markdown or markdownFile")
        if markdown_file:
            markdown = _read_markdown(markdown_file)
        if markdown is not None and not isinstance(markdown, str):
            raise TypeError(f"Invalid markdown {markdown!r:.80}: expected text.")
        self["markdown"] = markdown

    def to_json(self) -> dict[str, Any]:
        """Return the JSON of the REST API."""
        return {key: self[key] for key in _PROPERTIES if self.get(key) is not None}

    def json(self, ensure_ascii: bool = True) -> str:
        """Serialize the page as the JSON of the REST API.

        Args:
            ensure_ascii: Escape non-ASCII characters.
        """
        return json.dumps(self.to_json(), ensure_ascii=ensure_ascii)

    @property
    def _owner_path(self) -> str:
        return get_owner_path(self)

    def getURI(self) -> str:
        """Return the path of the page.

        Raises:
            ValueError: The page has no ID.
        """
        if self.get("id") is None:
            raise ValueError("The wiki page has no id: store it first, or get it with getWiki().")
        return f"{self._owner_path}/wiki/{self.id}"

    def postURI(self) -> str:
        """Return the path that creates the page."""
        return f"{self._owner_path}/wiki"

    def putURI(self) -> str:
        """Return the path that updates the page."""
        return self.getURI()

    def deleteURI(self) -> str:
        """Return the path that deletes the page."""
        return self.getURI()


class WikiAttachment(DictObject):
    """The file handle of an attachment of a wiki page, or of its preview.

    Args:
        **kwargs: ``id``, ``fileName``, ``contentMd5`` (32 hexadecimal digits), ``contentSize`` in
            bytes, ``contentType``, ``isPreview``, ``previewId``, ``createdOn``, ``createdBy``, ...
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)


def get_page_url(wiki: Wiki, portal_url: str) -> str:
    """Return the URL of a stored page on the web portal.

    Args:
        wiki: The page.
        portal_url: URL of the portal.
    """
    portal, kind = portal_url.rstrip("/"), wiki.get("ownerObjectType")
    if kind is None:
        return f"{portal}/Synapse:{wiki.ownerId}/wiki/{wiki.id}"
    return f"{portal}/Wiki:{wiki.ownerId}/{kind}/{wiki.id}"


def get_page_name(wiki: Wiki, version: Any = None) -> str:
    """Return the display name of a page: `Wiki page Methods`, `Wiki page Methods (version 2)`.

    Args:
        wiki: The page.
        version: Version that was requested; None for the current version.
    """
    name = f"Wiki page {wiki.get('title') or 'Wiki'}"
    return name if version is None else f"{name} (version {version})"


def get_owner_path(owner: Any) -> str:
    """Return the path of the owner of a wiki: `/entity/syn123` or `/evaluation/9600001`.

    Args:
        owner: An entity, its ID, an `Evaluation`, or a `Wiki`, for the owner of that page.

    Raises:
        ValueError: The owner has no ID.
    """
    owner_id, owner_type = _parse_owner(owner, None)
    return f"/{'entity' if owner_type is None else owner_type.lower()}/{owner_id}"


def _parse_owner(owner: Any, owner_type: str | None) -> tuple[str, str | None]:
    """Return the ID and the type of an owner; the type is None for entities."""
    if isinstance(owner, Wiki):
        return owner.ownerId, owner.get("ownerObjectType")
    if isinstance(owner, Evaluation) or owner_type == _EVALUATION:
        return parse_numeric_id(owner, "evaluation"), _EVALUATION
    return parse_entity_id(owner).id, None


def _parse_handles(handles: Any) -> list[str]:
    """Return the IDs of file handles, of which one may be given without a list."""
    is_one = isinstance(handles, str | int | Mapping)
    given = [handles] if is_one else handles or ()
    return [parse_numeric_id(each, "file handle") for each in given]


def _read_markdown(location: str | os.PathLike[str]) -> str:
    """Read a file in UTF-8, without changing its line ends."""
    if not isinstance(location, str | os.PathLike):
        raise TypeError(f"Invalid markdownFile {location!r:.80}: expected the path of a file.")
    path = Path(expand_path(location))
    if not is_local_file(path):
        raise ValueError(f"{location} is not a valid file: pass the path of a Markdown file.")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{location} is not a text file in UTF-8: {error}") from None

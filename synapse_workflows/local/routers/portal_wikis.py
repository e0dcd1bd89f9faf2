"""Routes of the web portal: wiki pages and their attachments.

The paths are those of the Synapse portal: `/Wiki:syn123/ENTITY/5` and `/Synapse:syn123/wiki/5`;
`/Wiki:9600001/EVALUATION/6` is a page of an evaluation.
"""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from synapse_workflows.local.domain.ids import format_entity_id, parse_id
from synapse_workflows.local.domain.portal import wiki_page
from synapse_workflows.local.domain.storage import download_urls
from synapse_workflows.local.domain.wikis import attachments, owners, pages
from synapse_workflows.local.domain.wikis.owners import OwnerType, WikiOwner
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.routers.dependencies import Transaction
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import parse_version_number
from synapse_workflows.local.routers.portal_responses import HEADERS, render, respond

router = APIRouter(route_class=LazyRoute)

#: Path of a wiki page after `Wiki:`.
_PATH: Final = re.compile(
    r"(?P<owner>[^/]+)(?:/(?P<type>ENTITY|EVALUATION)(?:/(?P<page>[^/]+))?)?/?", re.IGNORECASE
)

WikiVersion = Annotated[str | None, Query(alias="wikiVersion")]
FileName = Annotated[str, Query(alias="fileName")]


@router.get("/Synapse:{entity_id}/wiki/{page_id}")
@router.get("//Synapse:{entity_id}/wiki/{page_id}")
def get_entity_wiki(
    request: Request, entity_id: str, page_id: str, version: WikiVersion = None
) -> Response:
    """Show a wiki page of an entity.

    Args:
        request: The request.
        entity_id: ID of the entity.
        page_id: ID of the page.
        version: Version of the page; None for the current version.
    """
    return _respond_with_page(request, f"{entity_id}/ENTITY/{page_id}", version)


@router.get("/Wiki:{path:path}/attachment")
def get_attachment(
    request: Request, path: str, file_name: FileName, version: WikiVersion = None
) -> Response:
    """Redirect to an attachment of a wiki page.

    Args:
        request: The request.
        path: For example `syn123/ENTITY/5`.
        file_name: Name of the attachment.
        version: Version of the page; None for the current version.
    """

    def read(tx: Transaction) -> Response:
        owner, page_id = _parse_path(path)
        page = pages.require_page(tx.session, tx.caller, owner, page_id)
        found = pages.get_version(tx.session, page, _parse_version(version))
        handle = attachments.get_by_name(tx.session, found, file_name)
        url = download_urls.get_url(tx.service, tx.session, handle)
        # Images must have the origin of the page, which may have another name of the host.
        if url.startswith(f"{tx.service.settings.base_url}/"):
            url = urlsplit(url)._replace(scheme="", netloc="").geturl()
        return RedirectResponse(url, status_code=307, headers=HEADERS)

    return respond(request, read)


@router.get("/Wiki:{path:path}")
@router.get("//Wiki:{path:path}")
def get_wiki(request: Request, path: str, version: WikiVersion = None) -> Response:
    """Show a wiki page.

    Args:
        request: The request.
        path: For example `syn123/ENTITY/5`; without a page the root page.
        version: Version of the page; None for the current version.
    """
    return _respond_with_page(request, path, version)


def _respond_with_page(request: Request, path: str, version: str | None) -> Response:
    """Return a wiki page; a redirect to the page of the entity if it has no wiki."""

    def read(tx: Transaction) -> Response:
        owner, page_id = _parse_path(path)
        is_entity = owner.type is OwnerType.ENTITY
        if is_entity and page_id is None and pages.find_root(tx.session, owner) is None:
            url = f"/Synapse:{format_entity_id(owner.id)}/wiki"
            return RedirectResponse(url, status_code=303, headers=HEADERS)
        number = _parse_version(version)
        content = wiki_page.read_wiki_page(
            tx.service, tx.session, tx.caller, owner, page_id, number
        )
        return render(request, "wiki.html", wiki=content, is_version=number is not None)

    return respond(request, read)


def _parse_path(path: str) -> tuple[WikiOwner, int | None]:
    """Return the owner and the page ID of a path; the ID is None for the root page.

    Raises:
        BadRequest: The path is invalid.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise BadRequest(f"'{path}' is not the path of a wiki page.")
    owner = owners.parse_owner((match["type"] or OwnerType.ENTITY).lower(), match["owner"])
    return owner, None if match["page"] is None else parse_id(match["page"], "wikiId")


def _parse_version(version: str | None) -> int | None:
    return parse_version_number(version) if version else None

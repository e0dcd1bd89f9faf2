"""Routes of the web portal: read-only pages of entities and evaluations.

The paths are those of the Synapse portal: `/Synapse:syn123`, `/Synapse:syn123/version/4`,
`/Synapse:syn123.4`, `/Evaluation:9600001`; also with two slashes at the beginning, as
synapseclient writes them, and as fragments (`/#!Synapse:syn123`).
"""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from synapse_workflows.drawing import page as drawing_page
from synapse_workflows.drawing.svg import STATIC_DIR
from synapse_workflows.local.domain import entity_files
from synapse_workflows.local.domain.ids import parse_entity_version, parse_unprefixed_id
from synapse_workflows.local.domain.portal import (
    entity_page,
    evaluation_page,
    provenance_walk,
    sessions,
    table_page,
    wiki_page,
)
from synapse_workflows.local.domain.storage import download_urls
from synapse_workflows.local.domain.wikis import pages as wiki_pages
from synapse_workflows.local.domain.wikis.owners import OwnerType, WikiOwner
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.routers.dependencies import Transaction, get_service
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import parse_version_number
from synapse_workflows.local.routers.portal_responses import (
    HEADERS,
    PACKAGE,
    get_cookie_name,
    render,
    respond,
)

router = APIRouter(route_class=LazyRoute)

#: Path of an entity after `Synapse:`. Parts of the page on synapse.org, for example `/files/`,
#: are sections of the one page here.
_ENTITY_PATH: Final = re.compile(
    r"(?P<entity>[^/]+)(?:/version/(?P<version>[^/]+))?(?:/(?P<part>wiki|files|tables|datasets|"
    r"docker|challenge|discussion|download)(?:/.*)?)?/?"
)

Offset = Annotated[int, Query(ge=0, lt=2**31)]


def create_static_files() -> StaticFiles:
    """Return the application that serves the static files, to be mounted at `STATIC_PATH`."""
    return StaticFiles(directory=STATIC_DIR, packages=[(PACKAGE, "portal_static")])


@router.get("/")
def get_home(request: Request, children: Offset = 0, evaluations: Offset = 0) -> Response:
    """Show the projects and evaluations that the user can read.

    Args:
        request: The request.
        children: Number of projects to skip.
        evaluations: Number of evaluations to skip.
    """

    def read(tx: Transaction) -> Response:
        projects = entity_page.read_children(tx.session, tx.caller, None, children)
        queues = evaluation_page.list_evaluations(tx.session, tx.caller, evaluations)
        return render(request, "home.html", projects=projects, evaluations=queues)

    return respond(request, read)


@router.get(sessions.SIGN_IN_PATH)
def sign_in(request: Request, token: str = "") -> Response:
    """Exchange the token of a sign-in link for a session, and show the projects.

    The session is in a cookie that scripts cannot read. The REST API ignores cookies.
    """
    service = get_service(request)
    user = sessions.verify_link_token(service, token)
    if user is None:
        return render(request, "sign_in_failed.html", status=403)
    response = RedirectResponse("/", status_code=303, headers=HEADERS)
    response.set_cookie(
        get_cookie_name(service),
        sessions.create_session(service, user),
        max_age=sessions.SESSION_MS // 1000,
        secure=service.settings.base_url.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    return response


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the session in this browser."""
    response = RedirectResponse("/", status_code=303, headers=HEADERS)
    response.delete_cookie(get_cookie_name(get_service(request)), httponly=True, samesite="lax")
    return response


@router.get("/Synapse:{path:path}")
@router.get("//Synapse:{path:path}")
def get_entity(
    request: Request,
    path: str,
    children: Offset = 0,
    versions: Offset = 0,
    rows: Offset = 0,
    evaluations: Offset = 0,
) -> Response:
    """Show an entity or one of its versions, or redirect to its file.

    Args:
        request: The request.
        path: For example `syn123`, `syn123.4`, `syn123/version/4` or `syn123/wiki/5`.
        children: Number of children to skip.
        versions: Number of versions to skip.
        rows: Number of rows to skip.
        evaluations: Number of evaluations of a project to skip.
    """

    def read(tx: Transaction) -> Response:
        entity, number, part = _parse_entity_path(path)
        if part == "download":
            return _redirect_to_file(tx, entity, number)
        content = entity_page.read_entity_page(
            tx.session,
            tx.caller,
            entity,
            number,
            children_offset=children,
            versions_offset=versions,
        )
        graph = provenance_walk.read_provenance(
            tx.session, tx.caller, entity, content.version, _get_base_url(request)
        )
        row_page = (
            table_page.read_rows(tx.service, tx.caller, entity, number, rows)
            if content.has_rows
            else None
        )
        queues = (
            evaluation_page.list_evaluations(tx.session, tx.caller, evaluations, entity)
            if content.type_name == "project"
            else None
        )
        return render(
            request,
            "entity.html",
            page=content,
            rows=row_page,
            evaluations=queues,
            is_version=number is not None,
            is_wiki=part == "wiki",
            wiki=None if number else _find_wiki(tx, WikiOwner(OwnerType.ENTITY, entity)),
            has_provenance=bool(graph.edges),
            drawing=drawing_page.render_drawing(graph, title="Provenance"),
        )

    return respond(request, read)


@router.get("/Evaluation:{path:path}")
@router.get("//Evaluation:{path:path}")
def get_evaluation(request: Request, path: str, submissions: Offset = 0) -> Response:
    """Show an evaluation and its submissions.

    Args:
        request: The request.
        path: ID of the evaluation.
        submissions: Number of submissions to skip.
    """

    def read(tx: Transaction) -> Response:
        number = parse_unprefixed_id(path.rstrip("/"), "evaluationId")
        content = evaluation_page.read_evaluation_page(tx.session, tx.caller, number, submissions)
        wiki = _find_wiki(tx, WikiOwner(OwnerType.EVALUATION, number))
        return render(request, "evaluation.html", page=content, wiki=wiki)

    return respond(request, read)


def _get_base_url(request: Request) -> str:
    """Return the URL of the service for links: the host that the browser uses has the cookie."""
    base_url = get_service(request).settings.base_url
    is_same = urlsplit(base_url).netloc == request.url.netloc
    return base_url if is_same else str(request.base_url).rstrip("/")


def _parse_entity_path(path: str) -> tuple[int, int | None, str | None]:
    """Return the entity ID, the version and the part of the page of a path.

    Raises:
        BadRequest: The path is invalid.
    """
    match = _ENTITY_PATH.fullmatch(path)
    if match is None:
        raise BadRequest(f"'{path}' is not the path of an entity.")
    entity, number = parse_entity_version(match["entity"])
    if match["version"] is not None:
        number = parse_version_number(match["version"])
    return entity, number, match["part"]


def _find_wiki(tx: Transaction, owner: WikiOwner) -> wiki_page.WikiPageContent | None:
    """Return the root page of an owner that the caller can READ; None if it has no wiki."""
    if wiki_pages.find_root(tx.session, owner) is None:
        return None
    return wiki_page.read_wiki_page(tx.service, tx.session, tx.caller, owner)


def _redirect_to_file(tx: Transaction, entity: int, number: int | None) -> Response:
    handle = entity_files.get_handle(tx.session, tx.caller, entity, number)
    url = download_urls.get_url(tx.service, tx.session, handle)
    return RedirectResponse(url, status_code=307, headers=HEADERS)

"""Routes of the web portal: read-only pages of entities and evaluations.

The paths are those of the Synapse portal: `/Synapse:syn123`, `/Synapse:syn123/version/4`,
`/Synapse:syn123.4`, `/Evaluation:9600001`, `/Wiki:syn123/ENTITY/5`; also with two slashes at the
beginning, as synapseclient writes them, and as fragments (`/#!Synapse:syn123`).
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader

from synapse_workflows.drawing import page as drawing_page
from synapse_workflows.drawing.graph import is_link
from synapse_workflows.drawing.svg import STATIC_DIR
from synapse_workflows.drawing.template_environment import finalize
from synapse_workflows.local.domain import entity_files
from synapse_workflows.local.domain.auth import PortalUser
from synapse_workflows.local.domain.ids import parse_entity_version, parse_unprefixed_id
from synapse_workflows.local.domain.portal import (
    entity_page,
    evaluation_page,
    provenance_walk,
    sessions,
    table_page,
)
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import download_urls
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound, TermsNotAccepted
from synapse_workflows.local.routers.dependencies import ApiRequest, Transaction, get_service
from synapse_workflows.local.routers.parameters import parse_version_number

router = APIRouter()

#: Path of the static files: styles, scripts and the graph library.
STATIC_PATH: Final = "/portal/static"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": drawing_page.CONTENT_SECURITY_POLICY.replace(
        "form-action 'none'", "form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
#: Path of an entity after `Synapse:`. Parts of the page on synapse.org, for example `/files/`,
#: are sections of the one page here.
_ENTITY_PATH: Final = re.compile(
    r"(?P<entity>[^/]+)(?:/version/(?P<version>[^/]+))?(?:/(?P<part>wiki|files|tables|datasets|"
    r"docker|challenge|discussion|download)(?:/.*)?)?/?"
)
_WIKI_PATH: Final = re.compile(r"(?P<entity>[^/]+)(?:/ENTITY(?:/.*)?)?/?", re.IGNORECASE)

_PACKAGE: Final = "synapse_workflows.local.routers"

Offset = Annotated[int, Query(ge=0, lt=2**31)]


def create_static_files() -> StaticFiles:
    """Return the application that serves the static files, to be mounted at `STATIC_PATH`."""
    return StaticFiles(directory=STATIC_DIR, packages=[(_PACKAGE, "portal_static")])


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
        return _render(request, "home.html", projects=projects, evaluations=queues)

    return _respond(request, read)


@router.get(sessions.SIGN_IN_PATH)
def sign_in(request: Request, token: str = "") -> Response:
    """Exchange the token of a sign-in link for a session, and show the projects.

    The session is in a cookie that scripts cannot read. The REST API ignores cookies.
    """
    service = get_service(request)
    user = sessions.verify_link_token(service, token)
    if user is None:
        return _render(request, "sign_in_failed.html", status=403)
    response = RedirectResponse("/", status_code=303, headers=_HEADERS)
    response.set_cookie(
        _get_cookie_name(service),
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
    response = RedirectResponse("/", status_code=303, headers=_HEADERS)
    response.delete_cookie(_get_cookie_name(get_service(request)), httponly=True, samesite="lax")
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
        return _render(
            request,
            "entity.html",
            page=content,
            rows=row_page,
            evaluations=queues,
            is_version=number is not None,
            is_wiki=part == "wiki",
            has_provenance=bool(graph.edges),
            drawing=drawing_page.render_drawing(graph, title="Provenance"),
        )

    return _respond(request, read)


@router.get("/Wiki:{path:path}")
@router.get("//Wiki:{path:path}")
def get_wiki(path: str) -> Response:
    """Redirect from a wiki page to the page of its entity: the service has no wiki pages."""
    match = _WIKI_PATH.fullmatch(path)
    entity = match["entity"] if match else "unknown"
    return RedirectResponse(f"/Synapse:{quote(entity)}/wiki", status_code=303, headers=_HEADERS)


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
        return _render(request, "evaluation.html", page=content)

    return _respond(request, read)


def _respond(request: Request, read: Callable[[Transaction], Response]) -> Response:
    """Return the response of a function that reads with the rights of the user of the session.

    The response is the same for objects that do not exist and for those that are not accessible.
    """
    user = _get_user(request)
    api_request = ApiRequest(service=get_service(request), credentials=user, body=b"")
    try:
        with api_request.read_transaction("view") as tx:
            return read(tx)
    except TermsNotAccepted:
        return _render(request, "terms.html", status=403)
    except (BadRequest, Forbidden, NotFound):
        return _render(request, "missing.html", status=404)


def _render(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page. `values` are the variables of the template."""
    html = (
        _get_environment()
        .get_template(template)
        .render(
            head=drawing_page.render_head(STATIC_PATH),
            static_url=STATIC_PATH,
            page_size=entity_page.PAGE_SIZE,
            user_name=_get_user_name(request),
            **values,
        )
    )
    return HTMLResponse(html, status_code=status, headers=_HEADERS)


def _get_user(request: Request) -> PortalUser | None:
    service = get_service(request)
    cookie = request.cookies.get(_get_cookie_name(service), "")
    return sessions.verify_session(service, cookie)


def _get_user_name(request: Request) -> str | None:
    """Return the name of the user of the session; None for an anonymous visitor."""
    user, known = _get_user(request), get_service(request).users
    return next((each.user_name for each in known if user and each.owner_id == user.id), None)


def _get_cookie_name(service: Service) -> str:
    """Return the name of the cookie. Services on several ports of a host share its cookies."""
    return f"synapse_portal_{urlsplit(service.settings.base_url).port or 0}"


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


def _redirect_to_file(tx: Transaction, entity: int, number: int | None) -> Response:
    handle = entity_files.get_handle(tx.session, tx.caller, entity, number)
    url = download_urls.get_url(tx.service, tx.session, handle)
    return RedirectResponse(url, status_code=307, headers=_HEADERS)


@cache
def _get_environment() -> Environment:
    """Return the environment of the templates. Missing properties of objects are empty."""
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "portal_templates"),
        autoescape=True,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["link"] = is_link
    return environment

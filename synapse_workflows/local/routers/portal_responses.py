"""Responses of the web portal: pages with the rights of the user of the session."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from synapse_workflows.drawing import page as drawing_page
from synapse_workflows.drawing.graph import is_link
from synapse_workflows.drawing.template_environment import finalize
from synapse_workflows.local.domain.auth import PortalUser
from synapse_workflows.local.domain.portal import entity_page, sessions
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound, TermsNotAccepted
from synapse_workflows.local.routers.dependencies import ApiRequest, Transaction, get_service

if TYPE_CHECKING:
    from jinja2 import Environment

#: Path of the static files: styles, scripts and the graph library.
STATIC_PATH: Final = "/portal/static"
#: Package of the templates and the static files.
PACKAGE: Final = "synapse_workflows.local.routers"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": drawing_page.CONTENT_SECURITY_POLICY.replace(
        "form-action 'none'", "form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def respond(request: Request, read: Callable[[Transaction], Response]) -> Response:
    """Return the response of a function that reads with the rights of the user of the session.

    The response is the same for objects that do not exist and for those that are not accessible.
    """
    user = _get_user(request)
    api_request = ApiRequest(service=get_service(request), credentials=user, body=b"")
    try:
        with api_request.read_transaction("view") as tx:
            return read(tx)
    except TermsNotAccepted:
        return render(request, "terms.html", status=403)
    except (BadRequest, Forbidden, NotFound):
        return render(request, "missing.html", status=404)


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page. `values` are the variables of the template."""
    html = (
        get_environment()
        .get_template(template)
        .render(
            head=drawing_page.render_head(STATIC_PATH),
            static_url=STATIC_PATH,
            page_size=entity_page.PAGE_SIZE,
            user_name=_get_user_name(request),
            **values,
        )
    )
    return HTMLResponse(html, status_code=status, headers=HEADERS)


def _get_user(request: Request) -> PortalUser | None:
    service = get_service(request)
    cookie = request.cookies.get(get_cookie_name(service), "")
    return sessions.verify_session(service, cookie)


def _get_user_name(request: Request) -> str | None:
    """Return the name of the user of the session; None for an anonymous visitor."""
    user, known = _get_user(request), get_service(request).users
    return next((each.user_name for each in known if user and each.owner_id == user.id), None)


def get_cookie_name(service: Service) -> str:
    """Return the name of the cookie. Services on several ports of a host share its cookies."""
    return f"synapse_portal_{urlsplit(service.settings.base_url).port or 0}"


@cache
def get_environment() -> "Environment":
    """Return the environment of the templates. Missing properties of objects are empty."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader(PACKAGE, "portal_templates"),
        autoescape=True,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["link"] = is_link
    return environment

"""Endpoints and configuration file of a client."""

from configparser import RawConfigParser
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from synapse_workflows.client.core import config, http_headers, urls
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseConfigError, SynapseHTTPError
from synapse_workflows.constants import PRODUCTION_ENDPOINTS

#: Maximum number of attempts to reach an endpoint while the client is created.
_MAX_ATTEMPTS = 3


def getConfigFile(syn: Session, configPath: str) -> RawConfigParser:
    """Read a configuration file once per client and path.

    Later changes of the file are ignored. A missing file is treated as empty.

    Args:
        syn: The session that caches the parsed file.
        configPath: Path of an INI file; ``~`` is expanded.

    Returns:
        The parser with the contents of the file.

    Raises:
        SynapseConfigError: The file cannot be parsed.

    Source:
        No call.
    """
    path = config.expand_path(configPath)
    return syn.get_or_create(f"config {path}", lambda: config.read_file(path))


def setEndpoints(
    syn: Session,
    repoEndpoint: str | None = None,
    authEndpoint: str | None = None,
    fileHandleEndpoint: str | None = None,
    portalEndpoint: str | None = None,
    skip_checks: bool = False,
) -> None:
    """Set the endpoints; credentials are not changed.

    An endpoint that is None is read from the section ``[endpoints]`` of the configuration file;
    the default is production. ``STAGING_ENDPOINTS`` and ``PRODUCTION_ENDPOINTS`` of
    `synapse_workflows.constants` can be passed with ``**``.

    Args:
        syn: The session to configure.
        repoEndpoint: Base URL, for example ``https://repo-prod.prod.sagebase.org/repo/v1``.
        authEndpoint: Base URL of the authentication service.
        fileHandleEndpoint: Base URL of the file service.
        portalEndpoint: Base URL of the web portal.
        skip_checks: Whether to skip the check for permanent redirects (301).

    Raises:
        SynapseConfigError: An endpoint is not a URL, or contains a user name or password, or
            redirects to an unencrypted URL.
        SynapseConnectionError: An endpoint does not respond.

    Source:
        GET <each endpoint>
    """
    arguments: dict[str, Any] = {
        "repoEndpoint": repoEndpoint,
        "authEndpoint": authEndpoint,
        "fileHandleEndpoint": fileHandleEndpoint,
        "portalEndpoint": portalEndpoint,
    }
    configured = config.parse_config(getConfigFile(syn, syn.configPath), syn.configPath).endpoints
    endpoints = {
        name: urls.validate_endpoint(
            name, value or configured.get(name.lower()) or PRODUCTION_ENDPOINTS[name]
        )
        for name, value in arguments.items()
    }
    if not skip_checks:
        endpoints = {
            name: urls.validate_endpoint(name, _get_redirect(syn, url) or url)
            for name, url in endpoints.items()
        }
    for name, url in endpoints.items():
        setattr(syn, name, url)


def _get_redirect(syn: Session, url: str) -> str | None:
    """Request a base URL anonymously, and return the target if it redirects permanently."""
    policy = replace(syn.retry, attempts=min(_MAX_ATTEMPTS, syn.retry.attempts))
    try:
        syn.call(
            "GET",
            url,
            headers={"User-Agent": http_headers.USER_AGENT},
            auth=None,
            retry=policy,
            options={"allow_redirects": False},
        )
    except SynapseHTTPError as error:
        if error.status != HTTPStatus.MOVED_PERMANENTLY or error.response is None:
            return None
        target = urls.redirect_target(error.status, error.response.headers, url)
        if target and url.startswith("https:") and not target.startswith("https:"):
            raise SynapseConfigError(
                f"{redact_url(url)} redirects to {redact_url(target)}, which is not encrypted: "
                "set another endpoint."
            ) from None
        return target
    return None

"""Where a client finds Synapse, and its configuration file."""

from configparser import RawConfigParser
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from synapse_workflows.client.core import config, wire
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseConfigError, SynapseHTTPError
from synapse_workflows.constants import PRODUCTION_ENDPOINTS

#: Tries to reach an endpoint when a client is made.
_MAX_ATTEMPTS = 3


def getConfigFile(syn: Session, configPath: str) -> RawConfigParser:
    """Read a configuration file, once for each client and path.

    A change on disk is not noticed afterwards; a missing file is an empty one.

    Args:
        syn: The session that remembers it.
        configPath: Path of an INI file; ``~`` is expanded.

    Raises:
        SynapseConfigError: It cannot be parsed.

    Source:
        no call
    """
    path = config.expand(configPath)
    return syn.own(f"config {path}", lambda: config.read(path))


def setEndpoints(
    syn: Session,
    repoEndpoint: str | None = None,
    authEndpoint: str | None = None,
    fileHandleEndpoint: str | None = None,
    portalEndpoint: str | None = None,
    skip_checks: bool = False,
) -> None:
    """Choose where Synapse is; credentials stay as they are.

    Each endpoint is the argument, else the option of that name in section ``[endpoints]`` of the
    configuration file, else production. ``STAGING_ENDPOINTS`` and ``PRODUCTION_ENDPOINTS`` of
    `synapse_workflows.constants` are made for ``**``.

    Args:
        syn: The session to set up.
        repoEndpoint: Base URL, as ``https://repo-prod.prod.sagebase.org/repo/v1``.
        authEndpoint: Base URL.
        fileHandleEndpoint: Base URL.
        portalEndpoint: Base URL of the web pages.
        skip_checks: Do not ask each of them whether it moved (301).

    Raises:
        SynapseConfigError: Not a URL.
        SynapseConnectionError: Nobody answers there.

    Source:
        GET <each endpoint>
    """
    given: dict[str, Any] = {
        "repoEndpoint": repoEndpoint,
        "authEndpoint": authEndpoint,
        "fileHandleEndpoint": fileHandleEndpoint,
        "portalEndpoint": portalEndpoint,
    }
    configured = config.of(getConfigFile(syn, syn.configPath), syn.configPath).endpoints
    chosen = {
        name: _validate_url(
            name, value or configured.get(name.lower()) or PRODUCTION_ENDPOINTS[name]
        )
        for name, value in given.items()
    }
    if not skip_checks:
        chosen = {name: _get_redirect(syn, address) or address for name, address in chosen.items()}
    for name, address in chosen.items():
        setattr(syn, name, address)


def _get_redirect(syn: Session, address: str) -> str | None:
    """Ask a base URL, as nobody, whether it moved for good; every other answer is fine."""
    patience = replace(syn.retry, attempts=min(_MAX_ATTEMPTS, syn.retry.attempts))
    try:
        syn.call(
            "GET",
            address,
            headers={"User-Agent": wire.USER_AGENT},
            auth=None,
            retry=patience,
            options={"allow_redirects": False},
        )
    except SynapseHTTPError as answer:
        if answer.status != HTTPStatus.MOVED_PERMANENTLY or answer.response is None:
            return None
        target = wire.redirected(answer.status, answer.response.headers, address)
        if target and address.startswith("https:") and not target.startswith("https:"):
            raise SynapseConfigError(
                f"{address} moved to {target}, which is not encrypted: name another endpoint."
            ) from None
        return target
    return None


def _validate_url(name: str, address: str) -> str:
    try:
        scheme, host, _ = wire.origin(address)
    except ValueError:
        scheme, host = "", ""
    if scheme not in {"http", "https"} or not host:
        raise SynapseConfigError(
            f"{name} {address!r} is no URL. Give one as {PRODUCTION_ENDPOINTS[name]}"
        )
    return address

"""Client settings of an Airflow connection.

Fields of the connection:

host      repository endpoint; production if empty
login     user name or e-mail of the owner of the token; optional, verified
password  personal access token
extra     auth_endpoint, file_endpoint, portal_endpoint, cache_dir, cache_limit, env_fallback,
          api_key (with login, instead of password, for older services), storage_config,
          use_boto_sts, limit_requests, lineage_mode, lineage_required, record_params,
          code_parent_id
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from airflow.sdk import conf

from synapse_workflows.client.core import urls
from synapse_workflows.client.core.cache_limit import parse_size
from synapse_workflows.client.core.default_cache import find_default_cache
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.errors import SynapseConfigError
from synapse_workflows.constants import (
    PRODUCTION_ENDPOINTS,
    STAGING_ENDPOINTS,
)
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.lineage.lineage_settings import LineageSettings

_REPO_PATH: Final = "/repo/v1"
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
#: Host of the web portal, which users may copy from the browser -> repository endpoint.
_PORTAL_HOSTS: Final = {
    "synapse.org": PRODUCTION_ENDPOINTS["repoEndpoint"],
    "www.synapse.org": PRODUCTION_ENDPOINTS["repoEndpoint"],
    "staging.synapse.org": STAGING_ENDPOINTS["repoEndpoint"],
}
#: Client argument of an endpoint -> its key in the connection's extra, and its path on a host
#: whose repository endpoint ends in /repo/v1.
_ENDPOINT_FIELDS: Final = {
    "authEndpoint": ("auth_endpoint", "/auth/v1"),
    "fileHandleEndpoint": ("file_endpoint", "/file/v1"),
    "portalEndpoint": ("portal_endpoint", "/"),
}


@dataclass(frozen=True)
class ClientSettings:
    """Settings of a client.

    Args:
        endpoints: The four endpoints, by name of the client argument.
        token: Personal access token; None if the connection has none.
        api_key: API key of the account `username`; None if the connection has none.
        env_fallback: Whether a connection without token and API key acts as the account of the
            environment of the process.
        storage_config: Path of a file with the credentials of buckets and SFTP servers, in the
            format of ``~/.synapseConfig``; None without such credentials.
        use_boto_sts: Whether files in STS-enabled buckets are transferred with STS credentials.
        username: User name or e-mail of the account that must own the token; None for any account.
        cache_dir: Cache directory; None for the client's default.
        cache_limit: Maximum size of the cache in bytes; None for no limit.
        lineage_mode: Lineage mode of hooks without one; None if the connection has none.
        lineage_required: Whether a task fails if its Activity cannot be stored; None if the
            connection does not say.
        lineage_settings: Settings of the content of Activities.
        limit_requests: Whether the clients of a machine share the rate limit of their account.
        origin: Description of the source of these settings, for messages.
    """

    endpoints: Mapping[str, str]
    token: str | None = field(repr=False)
    username: str | None
    cache_dir: str | None
    cache_limit: int | None
    api_key: str | None = field(default=None, repr=False)
    env_fallback: bool = False
    storage_config: str | None = None
    use_boto_sts: bool = False
    lineage_mode: LineageMode | None = None
    lineage_required: bool | None = None
    lineage_settings: LineageSettings = field(default_factory=LineageSettings)
    limit_requests: bool = True
    origin: str = "the connection"

    @classmethod
    def from_connection(
        cls, connection: Any, extra: Mapping[str, Any] | None = None, origin: str | None = None
    ) -> "ClientSettings":
        """Return the settings of a connection.

        The section `[synapse]` of the Airflow configuration has the defaults.

        Args:
            connection: Airflow connection.
            extra: Parsed `extra` of the connection; None to parse it here, which may block.
            origin: Where the connection is defined; None if Airflow has it.

        Raises:
            SynapseConfigError: Invalid host, `extra`, `cache_limit`, flag or setting of lineage.
        """
        extra = connection.extra_dejson if extra is None else extra
        if not isinstance(extra, Mapping):
            raise SynapseConfigError(
                f"Invalid extra of the connection {connection.conn_id!r}: expected a JSON object "
                f'such as {{"cache_limit": "20 GB"}}, not a {type(extra).__name__}.'
            )
        limit = extra.get("cache_limit") or conf.get("synapse", "cache_limit", fallback="20 GB")
        directory = extra.get("cache_dir") or conf.get("synapse", "cache_dir", fallback="")
        return cls(
            endpoints=resolve_endpoints(get_repository_endpoint(connection), extra),
            token=(connection.password or "").strip() or None,
            username=(connection.login or "").strip() or None,
            cache_dir=directory or None,
            cache_limit=parse_size(limit),
            api_key=str(extra.get("api_key") or "").strip() or None,
            env_fallback=_parse_flag(extra, "env_fallback", connection.conn_id),
            storage_config=str(extra.get("storage_config") or "").strip() or None,
            use_boto_sts=_parse_flag(extra, "use_boto_sts", connection.conn_id),
            lineage_mode=_parse_lineage_mode(extra, connection.conn_id),
            lineage_required=_parse_lineage_required(extra, connection.conn_id),
            lineage_settings=_parse_lineage_settings(extra, connection.conn_id),
            limit_requests=_parse_limit_requests(extra, connection.conn_id),
            origin=origin or f"the connection {connection.conn_id!r}",
        )

    @property
    def cache_root(self) -> str:
        """Cache directory of this Synapse stack, below `cache_dir`: IDs are unique per stack."""
        _, host, port = urls.origin(self.endpoints["repoEndpoint"])
        name = re.sub(r"[^a-z0-9.-]+", "-", f"{host}-{port}".lower())
        return os.fspath(Path(self.cache_dir or find_default_cache(), name))


def get_repository_endpoint(connection: Any) -> str:
    """Return the repository endpoint of a connection.

    The host may lack the scheme and the path. The host may also be the host of the web portal.

    Raises:
        SynapseConfigError: The host is not a URL.
    """
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        return PRODUCTION_ENDPOINTS["repoEndpoint"]
    if "://" not in host:
        scheme = connection.schema if connection.schema in ("http", "https") else "https"
        host = f"{scheme}://{host}"
    try:
        parts = urlsplit(host)
        has_port = parts.port is not None
    except ValueError as error:
        raise SynapseConfigError(
            f"Invalid host {redact_url(host)!r} of the connection {connection.conn_id!r}: "
            f"{error}. Leave it empty for {PRODUCTION_ENDPOINTS['repoEndpoint']}."
        ) from None
    if parts.hostname in _PORTAL_HOSTS:
        return _PORTAL_HOSTS[parts.hostname]
    is_default = connection.port == _DEFAULT_PORTS.get(parts.scheme)
    if connection.port and not has_port and not is_default:
        parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    return parts._replace(path=parts.path or _REPO_PATH, query="", fragment="").geturl()


def resolve_endpoints(repo: str, extra: Mapping[str, Any]) -> dict[str, str]:
    """Return all endpoints of a connection.

    An endpoint comes from `extra`, else from the host of a repository endpoint that ends in
    /repo/v1, else from production.

    Args:
        repo: The repository endpoint.
        extra: `extra` of the connection.

    Raises:
        SynapseConfigError: An endpoint is not a URL, or contains a user name or password.
    """
    for known in (PRODUCTION_ENDPOINTS, STAGING_ENDPOINTS):
        if repo == known["repoEndpoint"]:
            defaults = dict(known)
            break
    else:
        base = repo.removesuffix(_REPO_PATH)
        derived = {name: base + path for name, (_, path) in _ENDPOINT_FIELDS.items()}
        defaults = derived if repo.endswith(_REPO_PATH) else dict(PRODUCTION_ENDPOINTS)
    configured = {name: extra.get(key) for name, (key, _) in _ENDPOINT_FIELDS.items()}
    others = {name: configured[name] or defaults[name] for name in _ENDPOINT_FIELDS}
    endpoints = {"repoEndpoint": repo, **others}
    return {name: urls.validate_endpoint(name, str(url)) for name, url in endpoints.items()}


def _parse_flag(extra: Mapping[str, Any], key: str, conn_id: str) -> bool:
    """Return a flag of `extra`, which is text if the connection is a URI; False if missing."""
    value = str(extra.get(key) or False).strip().lower()
    if value not in {"true", "false"}:
        raise SynapseConfigError(
            f"Invalid {key} in the extra of the connection {conn_id!r}: expected true or false, "
            f"not {value!r}."
        )
    return value == "true"


def _parse_limit_requests(extra: Mapping[str, Any], conn_id: str) -> bool:
    if extra.get("limit_requests") in (None, ""):
        return bool(conf.getboolean("synapse", "limit_requests", fallback=True))
    return _parse_flag(extra, "limit_requests", conn_id)


def _parse_lineage_required(extra: Mapping[str, Any], conn_id: str) -> bool | None:
    if extra.get("lineage_required") in (None, ""):
        return None
    return _parse_flag(extra, "lineage_required", conn_id)


def _parse_lineage_settings(extra: Mapping[str, Any], conn_id: str) -> LineageSettings:
    try:
        return LineageSettings.parse(extra.get("record_params"), extra.get("code_parent_id"))
    except ValueError as error:
        raise SynapseConfigError(f"{error} It is in the extra of {conn_id!r}.") from None


def _parse_lineage_mode(extra: Mapping[str, Any], conn_id: str) -> LineageMode | None:
    if not extra.get("lineage_mode"):
        return None
    try:
        return LineageMode.resolve(extra["lineage_mode"])
    except ValueError as error:
        raise SynapseConfigError(f"{error} It is in the extra of {conn_id!r}.") from None

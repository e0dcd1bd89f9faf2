"""An Airflow connection read as settings of the client: values only, nothing is asked of anybody.

host      the repository endpoint; empty means production
password  a personal access token
extra     auth_endpoint, file_endpoint, portal_endpoint, cache_dir, cache_limit
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from airflow.sdk import conf

from synapse_workflows.client.errors import SynapseConfigError
from synapse_workflows.constants import (
    PRODUCTION_ENDPOINTS,
    STAGING_ENDPOINTS,
    GiB,
    KiB,
    MiB,
)

_REPO_PATH: Final = "/repo/v1"
#: Name of an endpoint for the client -> its field in the connection's extra, its place beside
#: a repository that ends in /repo/v1.
_BESIDE: Final = {
    "authEndpoint": ("auth_endpoint", "/auth/v1"),
    "fileHandleEndpoint": ("file_endpoint", "/file/v1"),
    "portalEndpoint": ("portal_endpoint", "/"),
}
_UNITS: Final = {
    "": 1,
    "b": 1,
    **dict.fromkeys(("k", "kb", "kib"), KiB),
    **dict.fromkeys(("m", "mb", "mib"), MiB),
    **dict.fromkeys(("g", "gb", "gib"), GiB),
    **dict.fromkeys(("t", "tb", "tib"), 1024 * GiB),
}


@dataclass(frozen=True)
class ClientSettings:
    """What a client is made of.

    Args:
        endpoints: the four of them, by the names of the client's arguments.
        token: None where the connection holds none.
        cache_dir: None means the client's own place.
        cache_limit: bytes; None means no limit.
    """

    endpoints: Mapping[str, str]
    token: str | None = field(repr=False)
    cache_dir: str | None
    cache_limit: int | None

    @classmethod
    def from_connection(
        cls, connection: Any, extra: Mapping[str, Any] | None = None
    ) -> "ClientSettings":
        """Read a connection; what it does not say is taken from `[synapse]` of the configuration.

        Args:
            connection: of Airflow.
            extra: its `extra`, where it was read already, as an event loop has to.

        Raises:
            SynapseConfigError: A limit that is no size.
        """
        extra = connection.extra_dejson if extra is None else extra
        limit = extra.get("cache_limit") or conf.get("synapse", "cache_limit", fallback="20 GB")
        directory = extra.get("cache_dir") or conf.get("synapse", "cache_dir", fallback="")
        return cls(
            endpoints=resolve_endpoints(repository_endpoint(connection), extra),
            token=(connection.password or "").strip() or None,
            cache_dir=directory or None,
            cache_limit=parse_size(limit),
        )


def repository_endpoint(connection: Any) -> str:
    """Write the repository endpoint of a connection, however much of it was typed."""
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        return PRODUCTION_ENDPOINTS["repoEndpoint"]
    if "://" not in host:
        scheme = connection.schema if connection.schema in ("http", "https") else "https"
        host = f"{scheme}://{host}"
    parts = urlsplit(host)
    if connection.port and parts.port is None:
        parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    return parts._replace(path=parts.path or _REPO_PATH, query="", fragment="").geturl()


def resolve_endpoints(repo: str, extra: Mapping[str, Any]) -> dict[str, str]:
    """Find all endpoints: as said, else beside the repository, else production's.

    Args:
        repo: the repository endpoint.
        extra: of the connection.
    """
    for known in (PRODUCTION_ENDPOINTS, STAGING_ENDPOINTS):
        if repo == known["repoEndpoint"]:
            beside = dict(known)
            break
    else:
        base = repo.removesuffix(_REPO_PATH)
        derived = {name: base + path for name, (_, path) in _BESIDE.items()}
        beside = derived if repo.endswith(_REPO_PATH) else dict(PRODUCTION_ENDPOINTS)
    said = {name: extra.get(key) for name, (key, _) in _BESIDE.items()}
    found = {name: said[name] or beside[name] for name in _BESIDE}
    return {"repoEndpoint": repo, **found}


def parse_size(text: Any) -> int | None:
    """Read a size such as `20 GB`, `512MiB` or a number of bytes; `none` means no limit.

    Raises:
        SynapseConfigError: It is no size.
    """
    written = str(text).strip().lower()
    if written in ("none", "unlimited"):
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", written)
    if match is None or match[2] not in _UNITS:
        raise SynapseConfigError(
            f"cache_limit is {text!r}: say a size such as '20 GB', or 'none'. It is in the extra "
            "of the connection, or in [synapse] of Airflow's configuration."
        )
    return int(float(match[1]) * _UNITS[match[2]])

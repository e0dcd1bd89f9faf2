"""Sections of the configuration file with credentials for external storage.

[https://s3.example.org/bucket]
profile_name = lab            ; profile in ~/.aws/config and ~/.aws/credentials

[sftp://sftp.example.org]     ; or [sftp://sftp.example.org:2222]
username = alice
password = ...                ; without a password: the SSH agent and the keys in ~/.ssh
known_hosts = /path/to/file   ; in addition to ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from synapse_workflows.client.core import config
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseConfigError

if TYPE_CHECKING:
    from configparser import RawConfigParser

SFTP_PORT: Final = 22
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class _Place(NamedTuple):
    """Server and path in the name of a section; the port is None if it is not given."""

    scheme: str
    host: str
    port: int | None
    path: str


@dataclass(frozen=True)
class SftpLogin:
    """Login of an SFTP server.

    Args:
        username: User name.
        password: Password, which never appears in a repr, log or error; None to use the SSH agent
            and the keys in ``~/.ssh``.
        known_hosts: Path of an additional file with host keys.
    """

    username: str
    password: str | None = field(default=None, repr=False)
    known_hosts: str | None = None


def find_profile(syn: Session, endpoint_url: str, bucket: str) -> str | None:
    """Return the AWS profile for a bucket of an object store; None without a section.

    A section without ``profile_name`` selects the profile ``default``.
    """
    wanted = _parse_place(f"{endpoint_url.rstrip('/')}/{bucket}")
    for name, section in _iter_sections(syn):
        if _parse_place(name) == wanted:
            return section.get("profile_name") or "default"
    return None


def find_sftp_login(syn: Session, host: str, port: int) -> SftpLogin | None:
    """Return the login of an SFTP server; None if no section is configured.

    A section with a port applies to this port only. A section without a port applies to all ports
    of the host that have no section of their own.

    Raises:
        SynapseConfigError: The section has no user name.
    """
    sections = {}
    for name, section in _iter_sections(syn):
        place = _parse_place(name)
        if place is not None and place[:2] == ("sftp", host.lower()):
            sections[place.port] = (name, section)
    found = sections.get(port) or sections.get(None)
    if found is None:
        return None
    name, section = found
    if not section.get("username"):
        raise SynapseConfigError(
            f"The section [{name}] of {get_path(syn)} has no username. Add the user name for the "
            "SFTP server."
        )
    return SftpLogin(
        username=section["username"],
        password=section.get("password") or None,
        known_hosts=section.get("known_hosts") or None,
    )


def get_path(syn: Session) -> str:
    """Return the path of the configuration file with the credentials of external storage."""
    return config.expand_path(syn.storage_config_path or syn.configPath)


def _iter_sections(syn: Session) -> Iterator[tuple[str, Mapping[str, str]]]:
    path = get_path(syn)
    parser: RawConfigParser = syn.get_or_create(f"config {path}", lambda: config.read_file(path))
    for name in parser.sections():
        yield name, dict(parser.items(name))


def _parse_place(name: str) -> _Place | None:
    """Parse the name of a section; None if it is not a URL."""
    try:
        parts = urlsplit(name.strip())
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname:
        return None
    scheme = parts.scheme.lower()
    return _Place(
        scheme, parts.hostname, port or _DEFAULT_PORTS.get(scheme), parts.path.rstrip("/")
    )

"""Connections to SFTP servers, with verified host keys and a login from the configuration file.

The key of a server has to be in ``~/.ssh/known_hosts``, in ``/etc/ssh/ssh_known_hosts`` or in the
file of the option ``known_hosts``: a password is never sent to a server that is not known. The
user name and password in a URL are ignored, because another user of Synapse may have chosen the
URL.
"""

import base64
import getpass
import hashlib
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit

from synapse_workflows.client.core import config, storage_config
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.core.storage_config import SFTP_PORT, SftpLogin
from synapse_workflows.client.errors import (
    SynapseConfigError,
    SynapseConnectionError,
    SynapseTransferError,
)

if TYPE_CHECKING:
    import paramiko

#: Messages of paramiko if a connection is interrupted.
_INTERRUPTIONS: Final = frozenset({"Socket is closed"})
#: Files with the keys of servers.
_KNOWN_HOSTS: Final = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")


@dataclass(frozen=True, slots=True)
class SftpUrl:
    """Location on an SFTP server.

    Attributes:
        host: Host name or IP address.
        port: Port.
        path: Absolute path on the server, not quoted.
    """

    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> "SftpUrl":
        """Parse a URL; its user info is ignored.

        Raises:
            SynapseConfigError: The URL is invalid.
        """
        parts = urlsplit(url)
        if parts.scheme.lower() != "sftp" or not parts.hostname:
            raise SynapseConfigError(
                "Invalid URL of an SFTP server: expected 'sftp://host/path', for example "
                "'sftp://sftp.example.org/data'."
            )
        try:
            port = parts.port or SFTP_PORT
        except ValueError as error:
            raise SynapseConfigError(
                f"Invalid port of the server {parts.hostname}: {error}."
            ) from None
        try:
            path = unquote(parts.path, errors="strict") or "/"
        except UnicodeDecodeError:
            raise SynapseConfigError(
                f"Invalid path on the server {parts.hostname}: it is not encoded as UTF-8."
            ) from None
        return cls(parts.hostname, port, path)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == SFTP_PORT else f":{self.port}"
        return f"sftp://{host}{port}{quote(self.path)}"

    @property
    def server(self) -> str:
        """URL of the server, without a path."""
        return str(SftpUrl(self.host, self.port, ""))

    def joined(self, name: str) -> "SftpUrl":
        """Return the location of a file in this directory."""
        return SftpUrl(self.host, self.port, f"{self.path.rstrip('/')}/{name}")


@contextmanager
def open_sftp(syn: Session, url: SftpUrl) -> Generator["paramiko.SFTPClient"]:
    """Connect to an SFTP server, and log in.

    Args:
        syn: Session whose configuration file and timeouts are used.
        url: The server.

    Raises:
        SynapseConfigError: The login is missing or rejected, the server is not known, its key is
            wrong, or paramiko is not installed.
        SynapseConnectionError: No connection.
    """
    paramiko = require_paramiko()
    login = _find_login(syn, url)
    timeout = syn.timeout
    connect_timeout, read_timeout = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    with paramiko.SSHClient() as client:
        with raising_sftp_errors(url):
            _load_known_hosts(client, login)
            client.set_missing_host_key_policy(_create_policy(url))
            _connect(client, url, login, connect_timeout)
            sftp = client.open_sftp()
            sftp.get_channel().settimeout(read_timeout)
        yield sftp


@contextmanager
def raising_sftp_errors(url: SftpUrl) -> Generator[None]:
    """Convert errors of paramiko to errors of this client.

    Raises:
        SynapseConnectionError: The connection failed or was interrupted.
        SynapseTransferError: The server refused an operation, for example for lack of access.
    """
    import paramiko
    from paramiko.ssh_exception import NoValidConnectionsError

    connection_errors = (
        paramiko.SSHException, NoValidConnectionsError, EOFError, ConnectionError, TimeoutError,
    )  # fmt: skip
    try:
        yield
    except connection_errors as error:
        raise SynapseConnectionError(
            f"{url.server}: the connection failed ({str(error) or type(error).__name__})."
        ) from None
    except OSError as error:
        # Refusals of the server are errors without a number, or with one of these types.
        is_refusal = error.errno is None and str(error) not in _INTERRUPTIONS
        if is_refusal or isinstance(error, FileNotFoundError | PermissionError):
            reason = error.strerror or str(error) or "no reason given"
            raise SynapseTransferError(f"{url}: {reason}") from None
        raise SynapseConnectionError(f"{url.server}: the connection failed ({error}).") from None


def require_paramiko() -> Any:
    """Import paramiko.

    Raises:
        SynapseConfigError: paramiko is not installed.
    """
    try:
        import paramiko
    except ImportError:
        raise SynapseConfigError(
            "SFTP needs paramiko, which is not installed: pip install 'synapse-workflows[sftp]'"
        ) from None
    return paramiko


def _connect(client: "paramiko.SSHClient", url: SftpUrl, login: SftpLogin, timeout: float) -> None:
    import paramiko

    uses_keys = login.password is None
    try:
        client.connect(
            url.host,
            url.port,
            login.username,
            login.password,
            timeout=timeout,
            banner_timeout=timeout,
            auth_timeout=timeout,
            allow_agent=uses_keys,
            look_for_keys=uses_keys,
        )
    except paramiko.AuthenticationException:
        how = "the keys in ~/.ssh and of the SSH agent" if uses_keys else "the password"
        raise SynapseConfigError(
            f"{url.server} rejected the login of {login.username} with {how}. Check the section "
            f"[{url.server}] of the configuration file."
        ) from None
    except paramiko.BadHostKeyException:
        raise SynapseConfigError(
            f"{url.server} has another key than the one in known_hosts. Either the server was "
            "reinstalled, or the connection is being intercepted. Ask the administrator of the "
            "server, and replace the key only if the new fingerprint is confirmed."
        ) from None


def _find_login(syn: Session, url: SftpUrl) -> SftpLogin:
    """Return the login of a server; ask for it in a terminal if none is configured."""
    login = storage_config.find_sftp_login(syn, url.host, url.port)
    if login is not None:
        return login
    if not sys.stdin or not sys.stdin.isatty():
        raise SynapseConfigError(
            f"No login for {url.server}: add a section [{url.server}] with username and password "
            f"to {storage_config.get_path(syn)}. Without a password, the SSH agent and the keys "
            "in ~/.ssh are used."
        )
    logins: dict[str, SftpLogin] = syn.get_or_create("SFTP logins", dict)
    if url.server not in logins:
        username = input(f"User name for {url.server}: ")
        password = getpass.getpass(f"Password of {username} for {url.server}: ")
        logins[url.server] = SftpLogin(username, password or None)
    return logins[url.server]


def _load_known_hosts(client: "paramiko.SSHClient", login: SftpLogin) -> None:
    for name in _KNOWN_HOSTS:
        with suppress(FileNotFoundError):
            client.load_system_host_keys(config.expand_path(name))
    if login.known_hosts:
        path = config.expand_path(login.known_hosts)
        try:
            client.load_system_host_keys(path)
        except OSError as error:
            raise SynapseConfigError(
                f"Cannot read the file {path} of the option known_hosts: {error}."
            ) from None


def _create_policy(url: SftpUrl) -> Any:
    """Create the policy that rejects servers whose key is not known."""
    import paramiko

    class RejectUnknownHost(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, _client: Any, hostname: str, key: paramiko.PKey) -> None:
            digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
            raise SynapseConfigError(
                f"The key of {hostname} is not in known_hosts: {key.get_name()} "
                f"SHA256:{digest}\nCompare this fingerprint with the one that the administrator "
                f"of the server publishes. Then run: ssh-keyscan -p {url.port} {url.host} >> "
                f"~/.ssh/known_hosts (or set known_hosts in section [{url.server}])."
            )

    return RejectUnknownHost()

"""A real sshd for SFTP, a proxy that cuts its connections, and a server with a password login."""

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import psutil
import pytest

from synapse_workflows.free_ports import find_free_port

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
HOST = "127.0.0.1"


@dataclass
class SftpServer:
    """A running SFTP server.

    Args:
        port: Port on loopback.
        folder: Directory for configuration and files.
        host_key: Key of the host as a line of known_hosts, without the host.
        username: The user who may log in.
    """

    port: int
    folder: Path
    host_key: str
    username: str = field(default_factory=getpass.getuser)

    @property
    def url(self) -> str:
        """URL of a directory on the server."""
        return f"sftp://{HOST}:{self.port}{self.folder / 'files'}"

    def known_hosts(self, *ports: int) -> str:
        """Return the content of a known_hosts file for the server and proxies in front of it."""
        return "".join(f"[{HOST}]:{port} {self.host_key}\n" for port in (self.port, *ports))


@contextmanager
def sshd(folder: Path, home: Path) -> Iterator[SftpServer]:
    """Run sshd as the current user, who may log in with a new key in `home`/.ssh.

    Skips the test if sshd is not installed, except in CI.
    """
    if SSHD is None:
        message = "sshd is not installed (Debian package openssh-server)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    ssh = home / ".ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    for key in (ssh / "id_ed25519", folder / "host_key"):
        key.unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True
        )
    port = find_free_port()
    (folder / "files").mkdir()
    (folder / "sshd_config").write_text(
        f"ListenAddress {HOST}\nPort {port}\nHostKey {folder}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {ssh}/id_ed25519.pub\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin yes\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
        "MaxStartups 100\nLogLevel ERROR\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = folder / "sshd.log"
    command = [SSHD, "-D", "-E", str(log), "-f", str(folder / "sshd_config")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait_for_port(port, log)
        host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
        yield SftpServer(port, folder, host_key)
    finally:
        sessions = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(10)
        for session in sessions:  # they outlive the server while a client is connected
            with suppress(psutil.NoSuchProcess):
                session.kill()


def _wait_for_port(port: int, log: Path) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"sshd does not listen: {log.read_text()}")


class CuttingProxy:
    """TCP proxy that cuts connections after a number of bytes.

    Args:
        port: Port of the server.
        limits: Bytes to the server or from the server, whichever comes first, for each connection
            in order; later connections are not cut.
    """

    def __init__(self, port: int, limits: list[int]) -> None:
        self._target = port
        self._limits = list(limits)
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                limit = self._limits.pop(0) if self._limits else None
                server = socket.create_connection((HOST, self._target))
                pair = (client, server)
                self._sockets += pair
                for source, target in (pair, pair[::-1]):
                    arguments = (source, target, limit)
                    threading.Thread(target=_copy, args=arguments, daemon=True).start()

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            each.close()


def _copy(source: socket.socket, target: socket.socket, limit: int | None) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            if limit is not None:
                data = data[:limit]
                limit -= len(data)
            target.sendall(data)
            if limit == 0:
                break
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


class PasswordServer(paramiko.ServerInterface):
    """SSH server whose users log in with a password; it refuses all channels but SFTP."""

    def __init__(self, password: str) -> None:
        self._password = password
        self.attempts: list[tuple[str, str]] = []

    def get_allowed_auths(self, _username: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        self.attempts.append((username, password))
        is_right = password == self._password
        return paramiko.AUTH_SUCCESSFUL if is_right else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, _key: paramiko.PKey) -> int:
        self.attempts.append((username, "a key"))
        return paramiko.AUTH_FAILED

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


@contextmanager
def password_sftp(
    folder: Path,
    password: str,
    files: type[paramiko.SFTPServerInterface] = paramiko.SFTPServerInterface,
) -> Iterator[tuple[SftpServer, PasswordServer]]:
    """Run an SFTP server with a password login, by default without files."""
    key = paramiko.ECDSAKey.generate()
    rules = PasswordServer(password)
    listener = socket.create_server((HOST, 0))
    transports: list[paramiko.Transport] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                transport = paramiko.Transport(listener.accept()[0])
                transport.add_server_key(key)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, files)
                transports.append(transport)
                with suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=rules)

    threading.Thread(target=accept, daemon=True).start()
    host_key = f"{key.get_name()} {key.get_base64()}"
    yield SftpServer(listener.getsockname()[1], folder, host_key, "alice"), rules
    listener.close()
    for transport in transports:
        transport.close()

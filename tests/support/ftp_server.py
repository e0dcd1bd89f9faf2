"""A small FTP server: passive mode, downloads with resume, and interruptions."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class _Connection(socketserver.StreamRequestHandler):
    """One control connection."""

    def handle(self) -> None:
        self.offset, self.data = 0, None
        self.reply("220 ready")
        for line in iter(self.rfile.readline, b""):
            command, _, argument = line.decode().strip().partition(" ")
            if command.upper() == "QUIT":
                break
            getattr(self, f"do_{command.lower()}", self.do_unknown)(argument)
        if self.data is not None:
            self.data.close()

    def reply(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def do_unknown(self, _argument: str) -> None:
        self.reply("502 not implemented")

    def do_user(self, name: str) -> None:
        self.server.users.append(name)
        self.reply("331 password")

    def do_pass(self, _password: str) -> None:
        self.reply("230 logged in")

    def do_type(self, _type: str) -> None:
        self.reply("200 binary")

    def do_rest(self, offset: str) -> None:
        self.offset = int(offset)
        self.reply("350 offset")

    def do_pasv(self, _argument: str) -> None:
        self.data = socket.create_server(("127.0.0.1", 0))
        port = self.data.getsockname()[1]
        self.reply(f"227 (127,0,0,1,{port // 256},{port % 256})")

    def do_retr(self, path: str) -> None:
        if not Path(path).is_file():
            self.reply("550 no such file")
            return
        content = Path(path).read_bytes()[self.offset :]
        limit = self.server.limits.pop(0) if self.server.limits else None
        self.reply("150 here it comes")
        connection, _ = self.data.accept()
        with connection:
            connection.sendall(content[:limit])
        self.data.close()
        self.offset, self.data = 0, None
        self.reply("226 done" if limit is None else "426 interrupted")


@contextmanager
def ftp_server(limits: list[int] | None = None) -> Iterator[socketserver.ThreadingTCPServer]:
    """Run an FTP server that serves all files of this machine.

    Args:
        limits: Number of bytes after which to interrupt the first transfers.
    """
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Connection) as server:
        server.daemon_threads = True
        server.limits, server.users = list(limits or []), []
        server.url = f"ftp://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()

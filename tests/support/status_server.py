"""HTTP server that answers each request with a status: 302, 404 or 200."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_redirected = self.path.startswith("/moved")
        self.send_response(302 if is_redirected else 404 if "missing" in self.path else 200)
        if is_redirected:
            self.send_header("Location", "/signed/object")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve_statuses() -> Iterator[int]:
    """Serve 404 for paths with `missing`, 302 for `/moved`, and 200; yield the port."""
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()

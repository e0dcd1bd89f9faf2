"""Request bodies that write themselves to the socket."""

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from requests.auth import AuthBase

from synapse_workflows.client.core import transport
from synapse_workflows.client.core.socket_body import SocketBody

DATA = bytes(range(256)) * 1000


class Body(SocketBody, AuthBase):
    """Body of known length."""

    def __call__(self, request):
        request.body = self
        return request

    def __len__(self):
        return len(DATA)

    def write_to(self, sock):
        sock.sendall(DATA)


@pytest.fixture
def server():
    """URL of a server, and the headers and bodies that it received."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((dict(self.headers), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_small_body_is_sent_with_its_headers(server, monkeypatch):
    url, received = server
    sent = []
    send = HTTPConnection.send
    monkeypatch.setattr(HTTPConnection, "send", lambda *args: (sent.append(args), send(*args)))
    with transport.new_session() as session:
        for body in (b"first", b"second", DATA):
            assert session.put(url, data=body, timeout=30).ok
    assert [body for _, body in received] == [b"first", b"second", DATA]
    assert len(sent) == 4


@pytest.mark.parametrize("body", [{"auth": Body()}, {"data": DATA}])
def test_body_is_sent_with_its_length(server, body):
    url, received = server
    with transport.new_session() as session:
        for _ in range(2):  # the second request uses the same connection
            assert session.put(url, **body, timeout=30).ok
    for headers, data in received:
        assert data == DATA
        assert headers["Content-Length"] == str(len(DATA))
        assert "Transfer-Encoding" not in headers


def test_error_of_a_body_closes_the_connection(server):
    url, received = server

    class Failing(Body):
        def write_to(self, sock):
            sock.sendall(DATA[:100])
            raise TimeoutError("nothing was sent")

    with transport.new_session() as session:
        with pytest.raises(requests.ConnectionError, match="nothing was sent"):
            session.put(url, auth=Failing(), timeout=30)
        assert session.put(url, auth=Body(), timeout=30).ok
    assert DATA in [data for _, data in received]  # a thread records the broken one, maybe later

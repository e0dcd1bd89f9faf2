"""HTTP stand-ins for a Docker daemon and a Kubernetes API. Containers print their environment."""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class ContainerApi:
    """Server that records all requests in order.

    Args:
        exit_code: exit code of the containers.
    """

    def __init__(self, exit_code: int = 0) -> None:
        self.exit_code = exit_code
        self.requests: list[tuple[str, str, Any]] = []
        self.environment: dict[str, str] = {}

    def handle(self, method: str, path: str, body: Any) -> Any:
        """Return the JSON or text of a response; None for 404."""
        raise NotImplementedError

    def find(self, method: str, pattern: str) -> list[Any]:
        """Return the bodies of the requests whose path matches a pattern."""
        return [
            body
            for verb, path, body in self.requests
            if verb == method and re.search(pattern, path)
        ]

    @property
    def output(self) -> str:
        """What a container prints."""
        return "".join(f"{name}={value}\n" for name, value in sorted(self.environment.items()))


class DockerDaemon(ContainerApi):
    """Docker daemon that has all images.

    Args:
        exit_code: exit code of the containers.
        digests: names with digests of the images.
        program: what the containers run; it gets the specification of the container.

    Attributes:
        containers: specifications of all containers, by their IDs `c1`, `c2`, ...
    """

    def __init__(
        self,
        exit_code: int = 0,
        digests: tuple[str, ...] = (),
        program: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        super().__init__(exit_code)
        self.digests, self.program = digests, program
        self.containers: dict[str, dict[str, Any]] = {}
        self._numbers = count(1)

    def handle(self, method: str, path: str, body: Any) -> Any:  # noqa: ARG002
        if "/images/" in path and path.endswith("/json"):
            return {"Id": "sha256:1", "RepoDigests": list(self.digests)}
        if path.endswith("/create"):
            self.environment = dict(one.split("=", 1) for one in body.get("Env") or ())
            container = f"c{next(self._numbers)}"
            self.containers[container] = body
            return {"Id": container, "Warnings": []}
        if self.program and path.endswith("/start"):
            self.program(self.containers[path.split("/")[-2]])
        replies = {
            "_ping": "OK",
            "version": {"ApiVersion": "1.44"},
            "json": {"Config": {"Tty": True}},
            "attach": self.output,
            "wait": {"StatusCode": self.exit_code},
        }
        return replies.get(path.rpartition("/")[2], {})


class KubernetesApi(ContainerApi):
    """Kubernetes API with pods, whose container reads its Secret, and Secrets.

    Args:
        exit_code: exit code of the containers.
        image_id: image that the pods have run.
    """

    def __init__(self, exit_code: int = 0, image_id: str = "i") -> None:
        super().__init__(exit_code)
        self.image_id = image_id
        self.secrets: dict[str, Any] = {}
        self.pods: dict[str, Any] = {}

    def handle(self, method: str, path: str, body: Any) -> Any:
        kind, _, rest = path.partition("/namespaces/")[2].partition("/")[2].partition("/")
        name, _, sub = rest.partition("/")
        if kind == "secrets":
            return self._handle_secret(method, name, body)
        if kind == "pods" and sub == "log":
            lines = self.output.splitlines()
            return "".join(f"2026-11-26T10:00:00.000000000Z {line}\n" for line in lines)
        if kind == "pods":
            return self._handle_pod(method, name, body)
        return {"kind": "EventList", "items": [], "metadata": {}}

    def _handle_secret(self, method: str, name: str, body: Any) -> Any:
        if method == "POST":
            values = {
                k: base64.b64encode(v.encode()).decode() for k, v in body["stringData"].items()
            }
            name = body["metadata"]["name"]
            self.secrets[name] = {"metadata": body["metadata"], "data": values}
        elif method == "PATCH":
            self.secrets[name]["metadata"] |= body["metadata"]
        elif method == "DELETE":
            return {"status": "Success"} if self.secrets.pop(name, None) else None
        return self.secrets.get(name)

    def _handle_pod(self, method: str, name: str, body: Any) -> Any:
        if method == "POST":
            (container,) = body["spec"]["containers"]
            for source in container.get("envFrom") or ():
                data = self.secrets[source["secretRef"]["name"]]["data"]
                self.environment = {k: base64.b64decode(v).decode() for k, v in data.items()}
            body["metadata"]["uid"] = "pod-uid"
            state = {"terminated": {"exitCode": self.exit_code, "reason": "Done"}}
            status = {"name": container["name"], "state": state, "ready": False}
            status |= {"image": "i", "imageID": self.image_id, "restartCount": 0}
            phase = "Failed" if self.exit_code else "Succeeded"
            body["status"] = {"phase": phase, "containerStatuses": [status]}
            self.pods[body["metadata"]["name"]] = body
            return body
        if method == "DELETE":
            return self.pods.pop(name, None) and {"status": "Success"}
        if name:
            return self.pods.get(name)
        return {"kind": "PodList", "items": list(self.pods.values()), "metadata": {}}

    def write_config(self, folder: Path, url: str) -> str:
        """Write a configuration file for clients and return its path."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = folder / "kube.json"
        path.write_text(json.dumps(config))
        return str(path)


@contextmanager
def serve(api: ContainerApi) -> Iterator[str]:
    """Serve an API on loopback; provide its URL."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body, path = json.loads(raw) if raw.strip() else None, urlsplit(self.path).path
            api.requests.append((self.command, path, body))
            reply = api.handle(self.command, path, body)
            is_text = isinstance(reply, str)
            self.send_response(404 if reply is None else 200)
            self.send_header("Content-Type", "text/plain" if is_text else "application/json")
            self.send_header("Connection", "close")
            self.end_headers()
            if is_text:
                self.wfile.flush()
                time.sleep(0.2)  # clients of Docker read the stream from the socket itself
            self.wfile.write((reply if is_text else json.dumps(reply or {})).encode())

        do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815 - defined by http.server

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""nginx: serves files, and forwards all other requests to a service.

In benchmarks, the bytes come from nginx, so that the client is measured and not the service. It is
the Debian package `nginx`.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from synapse_workflows.free_ports import find_free_port

#: Prefix of the path of a pre-signed download URL of the local service.
DOWNLOADS: Final = "storage/download"
_START_SECONDS: Final = 30
_CONFIG: Final = """\
daemon off;
{user}
worker_processes 2;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  client_max_body_size 0;
  client_body_temp_path {work}/body;
  proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi;
  scgi_temp_path {work}/scgi;
  {connections}
  server {{
    listen 127.0.0.1:{port};
    root {root};
{locations}
    location / {{ try_files $uri @upstream; }}
    location /repo/ {{
      types {{}}
      default_type application/json;
      try_files $uri @upstream;
      error_page 405 =200 $uri;  # a file is also the response to POST
    }}
    location @upstream {{ {upstream} }}
  }}
}}
"""
#: Pre-signed URLs in responses of the service lead to nginx.
_UPSTREAM: Final = """
      proxy_pass http://service;
      proxy_http_version 1.1;
      proxy_set_header Host {host};
      proxy_set_header Connection "";
      proxy_set_header Accept-Encoding "";
      proxy_request_buffering off;
      sub_filter_types application/json;
      sub_filter_once off;
      sub_filter {url}/ http://127.0.0.1:{port}/;
"""


class NginxServer:
    """A running server.

    Attributes:
        url: Base URL, without a slash at the end.
        root: Directory of the files that are served, by path.
    """

    def __init__(self, url: str, root: Path) -> None:
        self.url = url
        self.root = root

    def serve(self, path: str, source: Path) -> str:
        """Serve an existing file under a path; return its URL."""
        link = self.root / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(source.resolve())
        return f"{self.url}/{path}"

    def serve_download(self, handle_id: str, source: Path) -> str:
        """Serve the content of a file handle of the service from a file."""
        return self.serve(f"{DOWNLOADS}/{handle_id}", source)


def find_nginx() -> str | None:
    """Return the path of nginx; None if it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


@contextmanager
def nginx_server(
    directory: Path, upstream: str | None = None, *, locations: str = ""
) -> Iterator[NginxServer]:
    """Run nginx on a free port of the loopback interface.

    Args:
        directory: Empty directory for configuration, logs and served files.
        upstream: Base URL of the service that receives all requests for which no file is served;
            None for 404.
        locations: Further locations, in the syntax of nginx.

    Raises:
        RuntimeError: nginx is not installed, or did not start.
    """
    program = find_nginx()
    if program is None:
        raise RuntimeError("nginx is not installed: apt-get install nginx-light")
    work, root, port = directory.resolve(), directory.resolve() / "root", find_free_port()
    root.mkdir(parents=True, exist_ok=True)
    config = work / "nginx.conf"
    config.write_text(_format_config(work, root, port, upstream, locations))
    command = [program, "-c", str(config), "-e", str(work / "error.log")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_started(process, port, work / "error.log")
        yield NginxServer(f"http://127.0.0.1:{port}", root)
    finally:
        process.terminate()
        process.wait(30)


def _format_config(work: Path, root: Path, port: int, upstream: str | None, locations: str) -> str:
    forward, connections = "return 404;", ""
    if upstream is not None:
        host = urlsplit(upstream).netloc
        forward = _UPSTREAM.format(url=upstream.rstrip("/"), host=host, port=port)
        connections = f"upstream service {{ server {host}; keepalive 16; }}"
    # As root, the workers would run as another user, who may not read the files.
    user = "user root;" if os.geteuid() == 0 else ""
    settings = {"user": user, "work": work, "root": root, "port": port}
    return _CONFIG.format(
        locations=locations, **settings, upstream=forward, connections=connections
    )


def _wait_until_started(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nginx did not start: {log.read_text() if log.exists() else 'no log'}")

"""S3 server of a local service: SeaweedFS (`weed`), on loopback, in a child process.

<data_dir>/s3/             only its owner has access
    volumes/               objects
    identities.json        credentials of the administrator, for weed
    iam.json               role of temporary credentials and the key that signs them, for weed
    server.json            ports and process ID
    server.log             output of weed since its last start

The credentials are derived from the secret of the data directory, so that pre-signed URLs and
temporary credentials stay valid when the service is restarted. If weed ends, it is started again
on the same ports. If the service is killed, Linux kills weed as well; on other systems, the next
start of the service ends it.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.request import ProxyHandler, build_opener

import psutil

from synapse_workflows.free_ports import LOOPBACK, find_free_ports, is_free_port
from synapse_workflows.local.errors import ServiceError
from synapse_workflows.local.s3.credentials import MAX_SECONDS
from synapse_workflows.local.s3.endpoint import DEFAULT_ROLE, S3ConfigurationError, S3Endpoint
from synapse_workflows.local.s3.object_store import ObjectStore
from synapse_workflows.local.storage.private_file import write_private_file

log = logging.getLogger("synapse_workflows.local")

FOLDER: Final = "s3"
#: Maximum time in seconds until weed answers.
START_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.05
#: Maximum time in seconds that weed needs for a short request. Another process may have its port.
_ANSWER_SECONDS: Final = 2
#: Number of attempts to start weed, for ports that another process takes meanwhile.
_ATTEMPTS: Final = 5
PORTS: Final = (
    "s3.port",
    "s3.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "master.port",
    "master.port.grpc",
)
#: Asks Linux to kill the process when the thread that started it ends, then runs weed.
_EXEC: Final = (
    "import ctypes, os, sys\n"
    "parent = int(sys.argv[1])\n"
    "if sys.platform == 'linux':\n"
    "    ctypes.CDLL(None).prctl(1, 9)\n"  # PR_SET_PDEATHSIG, SIGKILL
    "    if os.getppid() != parent:\n"
    "        sys.exit(1)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)
_FOREIGN_VARIABLES: Final = ("AWS_", "S3_", "SYNAPSE_AUTH_TOKEN", "WEED_")


class S3ServerError(S3ConfigurationError):
    """The S3 server did not start."""


def find_weed() -> str | None:
    """Return the path of the binary `weed`; None if it is not installed."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("weed")


class S3Server:
    """An S3 server in a child process.

    `start` returns at once; `wait_until_ready` starts the server if necessary and waits for it.
    The methods may be called from several threads.

    Args:
        data_dir: Data directory of the service.
        secret: Secret of the data directory; all credentials of the server are derived from it.

    Raises:
        S3ServerError: The binary `weed` is not installed.
    """

    def __init__(self, data_dir: Path, secret: bytes) -> None:
        binary = find_weed()
        if binary is None:
            raise S3ServerError(
                "The S3 server 'weed' is not installed: pip install "
                "'synapse-workflows[s3-server]', or use --s3 URL with a running S3 server."
            )
        self._binary = binary
        self.folder = data_dir.absolute() / FOLDER
        self._secret = secret
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: str | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def _derive(self, purpose: str) -> bytes:
        return hmac.new(self._secret, f"s3 {purpose}".encode(), hashlib.sha256).digest()

    @property
    def endpoint(self) -> S3Endpoint:
        """The address of the server and the credentials of its administrator."""
        return S3Endpoint(
            url=f"http://{LOOPBACK}:{self._ports['s3.port']}",
            access_key_id=f"ADMIN{self._derive('access key').hex()[:15].upper()}",
            secret_access_key=self._derive("secret key").hex()[:40],
            can_create_buckets=True,
            token_key=self._derive("signing key"),
        )

    @property
    def pid(self) -> int | None:
        """The process ID of the server; None if it does not run."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Start the server in the background, on the ports of its last start if they are free."""
        with self._lock:
            if self._thread is None:
                self._prepare()
                self._thread = threading.Thread(
                    target=self._supervise, name="s3-server", daemon=True
                )
                self._thread.start()

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        (self.folder / "volumes").mkdir(exist_ok=True)
        previous = self._read_state()
        self._end_previous(previous)
        self._ports = self._choose_ports(previous.get("ports", {}))
        self._write_configuration()

    def wait_until_ready(self) -> S3Endpoint:
        """Wait until the server answers, and return its endpoint.

        Raises:
            S3ServerError: The server ended, or does not answer within a minute.
        """
        self.start()
        started = time.monotonic()
        is_reported = False
        while not self._ready.wait(_POLL_SECONDS):
            waited = time.monotonic() - started
            if self._failure is None and waited > START_SECONDS:
                self._failure = f"it does not answer after {START_SECONDS} seconds"
            if self._failure is not None:
                self.stop()
                raise S3ServerError(self._describe_failure())
            if waited > 3 and not is_reported:  # noqa: PLR2004 - seconds
                is_reported = True
                log.info("The S3 server starts ...")
        return self.endpoint

    def stop(self) -> None:
        """End the server."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _describe_failure(self) -> str:
        log_file = self.folder / "server.log"
        output = log_file.read_text(errors="replace") if log_file.exists() else ""
        return f"The S3 server did not start: {self._failure}. See {log_file}:\n{output[-2000:]}"

    # Files

    def _read_state(self) -> dict[str, Any]:
        """Return the ports and the process ID of the last start; {} if there is none."""
        with suppress(OSError, ValueError):
            state: dict[str, Any] = json.loads((self.folder / "server.json").read_text())
            return state
        return {}

    def _write_state(self) -> None:
        state = {"pid": self.pid, "ports": self._ports}
        write_private_file(self.folder / "server.json", json.dumps(state, indent=2) + "\n")

    def _end_previous(self, state: Mapping[str, Any]) -> None:
        """Kill the server of an earlier service that was killed."""
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, TypeError, ValueError):
            process = psutil.Process(state.get("pid") or -1)
            if f"-dir={self.folder / 'volumes'}" in process.cmdline():
                process.kill()
                process.wait(_POLL_SECONDS * 100)

    def _choose_ports(self, previous: Mapping[str, int]) -> dict[str, int]:
        if set(previous) == set(PORTS) and all(is_free_port(each) for each in previous.values()):
            return dict(previous)
        return dict(zip(PORTS, find_free_ports(len(PORTS)), strict=True))

    def _write_configuration(self) -> None:
        endpoint = self.endpoint
        keys = {"accessKey": endpoint.access_key_id, "secretKey": endpoint.secret_access_key}
        actions = ["Admin", "Read", "List", "Tagging", "Write"]
        identities = [{"name": "admin", "credentials": [keys], "actions": actions}]
        write_private_file(self.folder / "identities.json", json.dumps({"identities": identities}))
        write_private_file(
            self.folder / "iam.json",
            json.dumps(_create_iam_configuration(self._derive("signing key"))),
        )

    # Process

    def _create_command(self) -> list[str]:
        options: dict[str, object] = {
            "dir": self.folder / "volumes",
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            "filer": "true",
            "s3": "true",
            **self._ports,
            "master.peers": "none",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 1024,
            "volume.max": 10_000,
            "volume.preStopSeconds": 0,
            "filer.disableDirListing": "true",
            "filer.localSocket": self.folder / "filer.sock",
            "s3.localSocket": self.folder / "s3.sock",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.autoCreateBucket": "false",
            "s3.config": self.folder / "identities.json",
            "s3.iam.config": self.folder / "iam.json",
        }
        arguments = [f"-{name}={value}" for name, value in options.items()]
        return [self._binary, "-logtostderr=true", "server", *arguments]

    def _create_environment(self) -> dict[str, str]:
        """Return the environment of weed, with keys that close its internal HTTP ports."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_FOREIGN_VARIABLES)
        }
        names = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
        keys = {f"WEED_JWT_{name}_KEY": self._derive(name).hex() for name in names}
        return {**kept, **keys, "HOME": str(self.folder), "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}

    def _launch(self) -> "subprocess.Popen[bytes]":
        log_file = self.folder / "server.log"
        descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as output:
            return subprocess.Popen(  # noqa: S603 - weed with arguments of this module
                [sys.executable, "-IS", "-c", _EXEC, str(os.getpid()), *self._create_command()],
                cwd=self.folder,
                env=self._create_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the service gets Ctrl-C, and ends the server in order
            )

    def _supervise(self) -> None:
        """Run weed until `stop`. Start it again if it ends."""
        failures = 0
        while not self._stopping.is_set():
            self._process = self._launch()
            self._write_state()
            is_answering = self._wait_for_answer(self._process)
            if is_answering:
                failures = 0
                self._ready.set()
                self._wait_for_end(self._process)
            if self._stopping.is_set():
                break
            failures += 1
            status = self._process.poll()
            if failures >= _ATTEMPTS:
                self._failure = f"it ended with status {status}, {failures} times"
                log.error("%s", self._describe_failure())
                break
            log.warning("The S3 server ended with status %s; it is started again.", status)
            if not self._ready.is_set():  # the ports are not in use by clients yet
                self._ports = self._choose_ports({})
        self._end_process()

    def _wait_for_answer(self, process: "subprocess.Popen[bytes]") -> bool:
        """Wait until the server answers a signed request; return False if it ends before."""
        endpoint = self.endpoint
        store = ObjectStore(lambda: endpoint, timeout=_ANSWER_SECONDS, attempts=1)
        while process.poll() is None and not self._stopping.is_set():
            with suppress(ServiceError, HTTPException, LookupError, OSError, ValueError):
                if self._has_volume_server():
                    store.has_bucket("none")
                    return True
            self._stopping.wait(_POLL_SECONDS)
        return False

    def _has_volume_server(self) -> bool:
        """Return whether objects can be stored. Earlier writes wait up to 15 seconds."""
        url = f"http://{LOOPBACK}:{self._ports['master.port']}/dir/status"
        opener = build_opener(ProxyHandler({}))
        with opener.open(url, timeout=_ANSWER_SECONDS) as reply:
            topology = json.load(reply)["Topology"]
        return bool(topology.get("DataCenters"))

    def _wait_for_end(self, process: "subprocess.Popen[bytes]") -> None:
        while process.poll() is None and not self._stopping.wait(_POLL_SECONDS):
            pass

    def _end_process(self) -> None:
        process = self._process
        if process is not None:
            process.kill()  # weed writes objects at once; after SIGTERM it may run for minutes
            process.wait()
        for name in ("master", "volume", "filer", "s3"):
            port = self._ports[f"{name}.port.grpc"]
            Path(f"/tmp/seaweedfs-{name}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108


def _create_iam_configuration(signing_key: bytes) -> dict[str, Any]:
    """Return the advanced IAM configuration of weed.

    The role allows everything; the session policies of temporary credentials limit it.
    """
    everything = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole"]}
    return {
        "sts": {
            "tokenDuration": f"{MAX_SECONDS}s",
            "maxSessionLength": f"{MAX_SECONDS}s",
            "issuer": "synapse-workflows",
            "signingKey": base64.b64encode(signing_key).decode(),
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "policies": [
            {"name": "all", "document": {"Version": "2012-10-17", "Statement": [everything]}}
        ],
        "roles": [
            {
                "roleName": DEFAULT_ROLE.rpartition("/")[2],
                "roleArn": DEFAULT_ROLE,
                "trustPolicy": {"Version": "2012-10-17", "Statement": [trust]},
                "attachedPolicies": ["all"],
            }
        ],
    }

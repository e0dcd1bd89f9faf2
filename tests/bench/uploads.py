"""Benchmark of uploads, as ratios measured in one run.

    python -m tests.bench.uploads [size of the large file in MiB, default 1024]

nginx receives all bytes and answers all calls of the REST API with fixed responses, so that only
the client is measured. The baseline of a large file is `md5sum`, then `curl` with the parts of the
file, 6 at a time. The baseline of small files is the official client in `.venv-peer`. Each result
is the median of three rounds; the candidates alternate within a round. The steps of the official
client are skipped without its environment (`make install-peer`).
"""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MiB = 1 << 20
PART = 8 * MiB
ROUNDS = 3
SMALL_FILES = 500
SMALL_SIZE = 100_000
ROOT = Path(__file__).parents[2]
PEER = os.environ.get("SYNAPSE_PEER_PYTHON", str(ROOT / ".venv-peer" / "bin" / "python"))

#: nginx stores the parts, and answers all other requests with the fixed responses of `responses`.
UPLOADS = "location /storage/ { dav_methods PUT; create_full_put_path on; }"
FOLDER = {"id": "syn1", "concreteType": "org.sagebionetworks.repo.model.Folder"}
DATE = "2026-01-01T00:00:00.000Z"
ENTITY = {
    "concreteType": "org.sagebionetworks.repo.model.FileEntity",
    "id": "syn2",
    "name": "file.bin",
    "parentId": "syn1",
    "etag": "0",
    "versionNumber": 1,
    "versionLabel": "1",
    "isLatestVersion": True,
    "dataFileHandleId": "7",
    "createdOn": DATE,
    "modifiedOn": DATE,
    "createdBy": "1",
    "modifiedBy": "1",
}
HANDLE = {
    "concreteType": "org.sagebionetworks.repo.model.file.S3FileHandle",
    "id": "7",
    "etag": "0",
    "createdBy": "1",
    "createdOn": DATE,
    "modifiedOn": DATE,
    "fileName": "file.bin",
    "contentType": "application/octet-stream",
    "contentMd5": "0" * 32,
    "contentSize": SMALL_SIZE,
    "storageLocationId": 1,
    "bucketName": "bucket",
    "key": "1/key/file.bin",
    "isPreview": False,
    "status": "AVAILABLE",
}
BUNDLE = {
    "entity": ENTITY,
    "entityType": "file",
    "annotations": {"id": "syn2", "etag": "0", "annotations": {}},
    "fileHandles": [HANDLE],
    "restrictionInformation": {"hasUnmetAccessRequirement": False},
}


def responses(parts: int) -> dict[str, tuple[int, Any]]:
    """Return status and body of each REST call, by path pattern of nginx."""
    status = {"uploadId": "1", "startedBy": "1", "startedOn": DATE, "updatedOn": DATE}
    urls = [
        {"partNumber": number, "uploadPresignedUrl": f"http://$http_host/storage/part{number}"}
        for number in range(1, parts + 1)
    ]
    destination = {
        "concreteType": "org.sagebionetworks.repo.model.file.S3UploadDestination",
        "storageLocationId": 1,
        "uploadType": "S3",
    }
    return {
        "~ /uploadDestination$": (200, destination),
        "= /file/v1/file/multipart": (
            200,
            {**status, "state": "UPLOADING", "partsState": "0" * parts},
        ),
        "~ /presigned/url/batch$": (200, {"partPresignedUrls": urls}),
        "~ /add/": (200, {"uploadId": "1", "partNumber": 1, "addPartState": "ADD_SUCCESS"}),
        "~ /complete$": (
            200,
            {**status, "state": "COMPLETED", "resultFileHandleId": "$connection_requests"},
        ),
        "~ ^/file/v1/fileHandle/": (200, HANDLE),
        "= /repo/v1/entity/child": (404, {"reason": "not found"}),
        "= /repo/v1/entity": (201, ENTITY),
        "~ /entity/syn1$": (200, FOLDER),
        "~ /entity/syn1/bundle2$": (200, {"entity": FOLDER}),
        "~ /entity/syn2$": (200, ENTITY),
        "~ /bundle2": (200, BUNDLE),
        "~ /userProfile": (200, {"ownerId": "1", "userName": "bench"}),
    }


def location(path: str, status: int, body: Any) -> str:
    """Return the nginx configuration of a fixed response."""
    text = json.dumps(body)
    pieces = re.findall(r".{1,3000}(?: |$)", text)  # nginx limits the length of a parameter
    names = [f"$piece{number}" for number in range(len(pieces))]
    settings = [f"set {name} '{piece}';" for name, piece in zip(names, pieces, strict=True)]
    settings.append("default_type application/json;")
    return f"location {path} {{ {' '.join(settings)} return {status} '{''.join(names)}'; }}"


@contextmanager
def server(folder: Path, parts: int) -> Iterator[str]:
    """Run nginx and yield its base URL."""
    from tests.support.nginx_server import nginx_server  # not with the official client

    fixed = (location(path, *response) for path, response in responses(parts).items())
    with nginx_server(folder, locations="\n".join([UPLOADS, *fixed])) as nginx:
        yield nginx.url


def login(client: str, base_url: str, folder: Path) -> tuple[Any, Any]:
    """Import a client and log in; return the client and its class of files."""
    endpoints = {
        "repoEndpoint": f"{base_url}/repo/v1",
        "authEndpoint": f"{base_url}/auth/v1",
        "fileHandleEndpoint": f"{base_url}/file/v1",
        "portalEndpoint": base_url,
    }
    config = folder / "synapseConfig"
    lines = [f"{name} = {url}" for name, url in endpoints.items()]
    config.write_text("\n".join(["[endpoints]", *lines, "[authentication]", "authtoken = x", ""]))
    if client == "official":
        import synapseclient as module
    else:
        import synapse_workflows as module
    syn = module.Synapse(
        skip_checks=True,
        silent=True,
        configPath=str(config),
        cache_root_dir=str(folder / f"cache-{os.getpid()}"),
        **endpoints,
    )
    syn.login(authToken="x", silent=True)
    return syn, module.File


def prepare(client: str, action: str, base_url: str, folder: Path) -> Callable[[], Any]:
    """Return the function to measure."""
    if client == "curl":
        return lambda: baseline(base_url, folder)
    syn, file_class = login(client, base_url, folder)
    if action == "large":
        return lambda: syn.uploadFileHandle(str(folder / "large.bin"), "syn1")
    paths = sorted((folder / "small").iterdir())

    def store() -> None:
        for path in paths:
            syn.store(file_class(str(path), parent="syn1"))

    return store


def baseline(base_url: str, folder: Path) -> None:
    """Hash the large file, then send its parts with curl."""
    subprocess.run(["md5sum", str(folder / "large.bin")], check=True, stdout=subprocess.DEVNULL)
    config = [
        f'upload-file = "{part}"\nurl = "{base_url}/storage/{part.name}"\n'
        'output = "/dev/null"\nno-progress-meter\nfail'
        for part in sorted((folder / "parts").iterdir())
    ]
    subprocess.run(
        ["curl", "--parallel", "--parallel-max", "6", "--config", "-"],
        input="\nnext\n".join(config),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def measure(client: str, action: str, base_url: str, folder: Path) -> None:
    """Perform one action in this process; print its seconds and the increase of peak memory."""
    perform = prepare(client, action, base_url, folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.perf_counter(), time.process_time()
    perform()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu, "memory": memory / 1024}))


def run(client: str, action: str, base_url: str, folder: Path) -> dict[str, float]:
    """Measure one action in another process."""
    python = PEER if client == "official" else sys.executable
    done = subprocess.run(
        [python, __file__, client, action, base_url, str(folder)],
        stdout=subprocess.PIPE,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def write_files(folder: Path, mebibytes: int) -> None:
    """Write the large file, a copy of each of its parts, and the small files."""
    (folder / "parts").mkdir()
    (folder / "small").mkdir()
    block = os.urandom(PART)
    with (folder / "large.bin").open("wb") as large:
        for number in range(mebibytes * MiB // PART):
            content = number.to_bytes(8) + block[8:]
            large.write(content)
            (folder / "parts" / f"part{number + 1}").write_bytes(content)
    for number in range(SMALL_FILES):
        (folder / "small" / f"{number}.bin").write_bytes(number.to_bytes(8) + block[8:SMALL_SIZE])


def compare(action: str, clients: list[str], base_url: str, folder: Path) -> None:
    """Measure an action with each client, and print the medians and their ratios."""
    if not Path(PEER).exists():
        clients = [client for client in clients if client != "official"]
    results: dict[str, list[dict[str, float]]] = {client: [] for client in clients}
    for _ in range(ROUNDS):
        for client in clients:
            results[client].append(run(client, action, base_url, folder))
    medians = {
        client: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        for client, rounds in results.items()
    }
    first = medians[clients[0]]["seconds"]
    for client, median in medians.items():
        sys.stdout.write(
            f"{action:6} {client:8} {median['seconds']:6.2f} s  "
            f"{median['seconds'] / first:5.2f} x {clients[0]}   CPU {median['cpu']:6.2f} s   "
            f"memory increase {median['memory']:6.1f} MiB\n"
        )


def main(mebibytes: int = 1024) -> None:
    """Measure large and small uploads."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, mebibytes)
        with server(folder / "large", mebibytes * MiB // PART) as base_url:
            compare("large", ["curl", "client", "official"], base_url, folder)
        with server(folder / "small-server", 1) as base_url:
            compare("small", ["client", "official"], base_url, folder)


if __name__ == "__main__":
    if len(sys.argv) > 2:  # one action, called by `run`
        measure(*sys.argv[1:4], Path(sys.argv[4]))
    else:
        main(*map(int, sys.argv[1:]))

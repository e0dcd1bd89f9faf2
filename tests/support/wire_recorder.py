"""Everything that crosses the wire in a test, held against the published schemas.

The recorder stands in front of the local service as an ASGI application. It sees what any client
sent (ours and the official one) and what the service answered, over a socket and in-process
alike. Requests are validated as the service's own parser would read them (lenient), responses
strictly: a property that the schema does not know is a mistake of ours.
"""

import importlib.util
import json
import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).parents[3] / "shared" / "synapse-rest"
REPO, FILE, AUTH = "/repo/v1", "/file/v1", "/auth/v1"
ID, N = r"(?:syn)?\d+", r"\d+"
DOTTED = rf"{ID}(?:\.{N})?"

#: Jobs: what they are started with, and what comes of them.
JOBS = [
    (f"{REPO}/entity/{DOTTED}/table/transaction", "table.TableUpdateTransactionRequest",
     "table.TableUpdateTransactionResponse"),
    (f"{REPO}/entity/{DOTTED}/table/upload/csv", "table.UploadToTableRequest",
     "table.UploadToTableResult"),
    (f"{REPO}/entity/{DOTTED}/table/query", "table.QueryBundleRequest", "table.QueryResultBundle"),
    (f"{REPO}/entity/{DOTTED}/table/query/nextPage", "table.QueryNextPageToken",
     "table.QueryResult"),
    (f"{REPO}/entity/{DOTTED}/table/download/csv", "table.DownloadFromTableRequest",
     "table.DownloadFromTableResult"),
    (f"{REPO}/column/view/scope", "table.ViewColumnModelRequest",
     "table.ViewColumnModelResponse"),
    (f"{FILE}/file/bulk", "file.BulkFileDownloadRequest", "file.BulkFileDownloadResponse"),
]  # fmt: skip
#: What answers for a job that is still being done.
STATUS = "asynch.AsynchronousJobStatus"

#: (method, path, request schema or None, response schema or None), as endpoints.md has them.
ROUTES: list[tuple[str, str, str | None, str | None]] = [
    ("GET", f"{REPO}/version", None, "versionInfo.SynapseVersionInfo"),
    ("GET", f"{REPO}/status", None, "status.StackStatus"),
    ("GET", f"{REPO}/userProfile/?", None, "UserProfile"),
    ("GET", f"{REPO}/userProfile/{N}", None, "UserProfile"),
    ("PUT", f"{REPO}/userProfile", "UserProfile", "UserProfile"),
    ("GET", f"{REPO}/user/(?:{N}/)?bundle", None, "UserBundle"),
    ("GET", f"{REPO}/user/{N}/certifiedUserPassingRecord", None, "quiz.PassingRecord"),
    ("GET", f"{REPO}/userGroupHeaders(?:/batch)?", None, "UserGroupHeaderResponsePage"),
    ("POST", f"{REPO}/userGroupHeaders/aliases", "principal.AliasList",
     "principal.UserGroupHeaderResponse"),
    ("POST", f"{REPO}/entity", "Entity", "Entity"),
    ("GET", f"{REPO}/entity/{ID}", None, "Entity"),
    ("PUT", f"{REPO}/entity/{ID}", "Entity", "Entity"),
    ("GET", f"{REPO}/entity/{ID}/version/{N}", None, "Entity"),
    ("GET", f"{REPO}/entity/{ID}/version", None, "PaginatedResults<VersionInfo>"),
    ("GET", f"{REPO}/entity/{ID}(?:/version/{N})?/annotations2", None,
     "annotation.v2.Annotations"),
    ("PUT", f"{REPO}/entity/{ID}/annotations2", "annotation.v2.Annotations",
     "annotation.v2.Annotations"),
    ("GET", f"{REPO}/entity/{ID}/type", None, "EntityHeader"),
    ("POST", f"{REPO}/entity/header", "request.ReferenceList", "PaginatedResults<EntityHeader>"),
    ("POST", f"{REPO}/entity/{ID}(?:/version/{N})?/bundle2",
     "entitybundle.v2.EntityBundleRequest", "entitybundle.v2.EntityBundle"),
    ("POST", f"{REPO}/entity/bundle2/create", "entitybundle.v2.EntityBundleCreate",
     "entitybundle.v2.EntityBundle"),
    ("PUT", f"{REPO}/entity/{ID}/bundle2", "entitybundle.v2.EntityBundleCreate",
     "entitybundle.v2.EntityBundle"),
    ("POST", f"{REPO}/entity/children", "EntityChildrenRequest", "EntityChildrenResponse"),
    ("POST", f"{REPO}/entity/child", "entity.EntityLookupRequest", "EntityId"),
    ("GET", f"{REPO}/entity/md5/[0-9a-fA-F]+", None, "PaginatedResults<EntityHeader>"),
    ("GET", f"{REPO}/entity/{ID}/path", None, "EntityPath"),
    ("GET", f"{REPO}/entity/{ID}/permissions", None, "auth.UserEntityPermissions"),
    ("GET", f"{REPO}/entity/{ID}/access", None, "BooleanResult"),
    ("GET", f"{REPO}/entity/{ID}/benefactor", None, "EntityHeader"),
    ("GET", f"{REPO}/entity/{ID}/acl", None, "AccessControlList"),
    ("POST", f"{REPO}/entity/{ID}/acl", "AccessControlList", "AccessControlList"),
    ("PUT", f"{REPO}/entity/{ID}/acl", "AccessControlList", "AccessControlList"),
    ("GET", f"{REPO}/entity/{ID}/accessRequirement", None, "PaginatedResults<AccessRequirement>"),
    ("POST", f"{REPO}/entity/{ID}/lockAccessRequirement", None, "LockAccessRequirement"),
    ("GET", f"{REPO}/entity/{ID}(?:/version/{N})?/generatedBy", None, "provenance.Activity"),
    ("PUT", f"{REPO}/entity/{ID}/generatedBy", None, "provenance.Activity"),
    ("GET", f"{REPO}/entity/{ID}(?:/version/{N})?/filehandles", None, "file.FileHandleResults"),
    ("GET", f"{REPO}/trashcan/view", None, "PaginatedResults<TrashedEntity>"),
    ("POST", f"{REPO}/activity", "provenance.Activity", "provenance.Activity"),
    ("GET", f"{REPO}/activity/{N}", None, "provenance.Activity"),
    ("PUT", f"{REPO}/activity/{N}", "provenance.Activity", "provenance.Activity"),
    ("GET", f"{REPO}/activity/{N}/generated", None, "PaginatedResults<Reference>"),
    ("POST", f"{AUTH}/personalAccessToken", "auth.AccessTokenGenerationRequest",
     "auth.AccessTokenGenerationResponse"),
    ("GET", f"{AUTH}/personalAccessToken", None, "auth.AccessTokenRecordList"),
    ("GET", f"{AUTH}/personalAccessToken/{N}", None, "auth.AccessTokenRecord"),
    ("GET", f"{FILE}/entity/{ID}/uploadDestination(?:/{N})?", None, "file.UploadDestination"),
    ("GET", f"{FILE}/entity/{ID}/uploadDestinationLocations", None,
     "ListWrapper<file.UploadDestinationLocation>"),
    ("POST", f"{FILE}/file/multipart", "file.MultipartRequest", "file.MultipartUploadStatus"),
    ("POST", f"{FILE}/file/multipart/{N}/presigned/url/batch",
     "file.BatchPresignedUploadUrlRequest", "file.BatchPresignedUploadUrlResponse"),
    ("PUT", f"{FILE}/file/multipart/{N}/add/{N}", None, "file.AddPartResponse"),
    ("PUT", f"{FILE}/file/multipart/{N}/complete", None, "file.MultipartUploadStatus"),
    ("GET", f"{FILE}/fileHandle/{N}", None, "file.FileHandle"),
    ("POST", f"{FILE}/fileHandle/batch", "file.BatchFileRequest", "file.BatchFileResult"),
    ("POST", f"{FILE}/externalFileHandle", "file.ExternalFileHandleInterface",
     "file.ExternalFileHandleInterface"),
    ("POST", f"{FILE}/filehandles/copy", "file.BatchFileHandleCopyRequest",
     "file.BatchFileHandleCopyResult"),
    ("POST", f"{REPO}/column", "table.ColumnModel", "table.ColumnModel"),
    ("POST", f"{REPO}/column/batch", "ListWrapper<table.ColumnModel>",
     "ListWrapper<table.ColumnModel>"),
    ("GET", f"{REPO}/column", None, "table.PaginatedColumnModels"),
    ("GET", f"{REPO}/column/{N}", None, "table.ColumnModel"),
    ("GET", f"{REPO}/column/tableview/defaults", None, "ListWrapper<table.ColumnModel>"),
    ("GET", f"{REPO}/entity/{DOTTED}/column", None, "table.PaginatedColumnModels"),
    ("POST", f"{REPO}/entity/{ID}/table/snapshot", "table.SnapshotRequest",
     "table.SnapshotResponse"),
    ("POST", f"{REPO}/evaluation", "e.Evaluation", "e.Evaluation"),
    ("PUT", f"{REPO}/evaluation/acl", "AccessControlList", "AccessControlList"),
    ("PUT", f"{REPO}/evaluation/{N}", "e.Evaluation", "e.Evaluation"),
    ("GET", f"{REPO}/evaluation/(?:{N}|name/.+)", None, "e.Evaluation"),
    ("GET", f"{REPO}/(?:evaluation(?:/available)?|entity/{ID}/evaluation)", None,
     "PaginatedResults<e.Evaluation>"),
    ("GET", f"{REPO}/evaluation/{N}/acl", None, "AccessControlList"),
    ("GET", f"{REPO}/evaluation/{N}/permissions", None, "e.UserEvaluationPermissions"),
    ("POST", f"{REPO}/evaluation/submission", "e.Submission", "e.Submission"),
    ("GET", f"{REPO}/evaluation/submission/{N}", None, "e.Submission"),
    ("GET", f"{REPO}/evaluation/submission/{N}/status", None, "e.SubmissionStatus"),
    ("PUT", f"{REPO}/evaluation/submission/{N}/status", "e.SubmissionStatus",
     "e.SubmissionStatus"),
    ("PUT", f"{REPO}/evaluation/{N}/statusBatch", "e.SubmissionStatusBatch",
     "e.BatchUploadResponse"),
    ("GET", f"{REPO}/evaluation/{N}/submission(?:/all)?", None,
     "PaginatedResults<e.Submission>"),
    ("GET", f"{REPO}/evaluation/{N}/submission/bundle(?:/all)?", None,
     "PaginatedResults<e.SubmissionBundle>"),
    ("GET", f"{REPO}/evaluation/{N}/submission/status/all", None,
     "PaginatedResults<e.SubmissionStatus>"),
    *(
        route
        for path, request, response in JOBS
        for route in (
            ("POST", f"{path}/async/start", request, "asynch.AsyncJobId"),
            ("GET", f"{path}/async/get/{N}", None, response),
        )
    ),
    ("GET", f"{REPO}/asynchronous/job/{N}", None, "asynch.AsynchronousJobStatus"),
]  # fmt: skip

#: Types of entities that came after the schemas, in children requests.
NEWER_TYPES = (b"recordset", b"searchindex")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def load_validator() -> Callable[..., list[str]] | None:
    """The contract's own validator, or None where the contract is not beside the checkout."""
    source = CONTRACT / "validate.py"
    if not source.exists():
        return None
    spec = importlib.util.spec_from_file_location("synapse_contract_validate", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.validate


class Recorder:
    """An ASGI application that passes everything on and keeps what broke the contract."""

    def __init__(self, app: Application, validate: Callable[..., list[str]] | None) -> None:
        self.app = app
        self.validate = validate
        self.routes = [
            (method, re.compile(path), request, response)
            for method, path, request, response in ROUTES
        ]
        self.exchanges: list[tuple[str, str, int]] = []
        self.validated = 0
        self.problems: list[str] = []

    @property
    def state(self) -> Any:
        """What the wrapped application keeps (FastAPI's `app.state`)."""
        return self.app.state  # type: ignore[attr-defined]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the exchange on; judge it when the answer is complete."""
        if scope["type"] != "http" or not scope["path"].startswith((REPO, FILE, AUTH)):
            await self.app(scope, receive, send)
            return
        asked, answered = bytearray(), bytearray()
        status = 0

        async def listen() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answered.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                # before the caller has the end of it: what is judged is judged within its test
                self.judge(scope["method"], scope["path"], bytes(asked), status, bytes(answered))
            await send(message)

        await self.app(scope, listen, tell)

    def judge(self, method: str, path: str, asked: bytes, status: int, answered: bytes) -> None:
        """Validate one exchange against the schemas of its route."""
        self.exchanges.append((method, path, status))
        request = response = None
        for verb, pattern, asks, answers in self.routes:
            if verb == method and pattern.fullmatch(path):
                request, response = asks, answers
                break
        where = f"{method} {path} {status}"
        if request and status < 400:
            self.check(f"request of {where}", request, self.requested(asked), lenient=True)
        if status >= 400:
            self.check(f"error of {where}", None, answered)
        elif response:
            response = STATUS if status == 202 else response
            self.check(f"response of {where}", response, answered, strict=True)

    def requested(self, body: bytes) -> bytes:
        """Leave out what clients newer than the schemas (October 2024) may ask for."""
        for word in NEWER_TYPES:
            body = re.sub(rb',\s*"%s"' % word, b"", body)
        return body

    def check(self, where: str, schema: str | None, body: bytes, **mode: bool) -> None:
        """Note what is wrong with a body; an error body needs a `reason` and nothing else."""
        try:
            value = json.loads(body)
        except ValueError:
            self.problems.append(f"{where}: not JSON: {body[:80]!r}")
            return
        if schema is None:
            if not (isinstance(value, dict) and value.get("reason")):
                self.problems.append(f"{where}: no reason in {value!r}")
            return
        if self.validate is not None:
            self.validated += 1
            self.problems += [
                f"{where}: {problem}" for problem in self.validate(schema, value, **mode)
            ]

"""Lineage of S3 objects: what a botocore session reads, writes and deletes."""

import logging
import threading
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

from airflow.sdk.lineage import get_hook_lineage_collector

from synapse_workflows.lineage.hook_lineage import discard_output, is_xcom, replace_asset
from synapse_workflows.lineage.lineage_mode import is_suspended
from synapse_workflows.provenance.object_versions import add_s3_version, strip_version
from synapse_workflows.provenance.record import Origin, Record, UrlRef

_log: Final = logging.getLogger(__name__)
#: Maximum number of objects that are recorded one by one, read and written each. More objects are
#: recorded as their common prefix.
_MAX_OBJECTS: Final = 100
#: Maximum number of objects that are logged one by one.
_MAX_LOGGED: Final = 20
_CONTEXT_KEY: Final = "synapse_s3_access"
#: Marks of a query and of a fragment, and characters that parsers of URLs remove.
_ESCAPED: Final = str.maketrans({char: f"%{ord(char):02X}" for char in "?#\t\n\r"})
_READS: Final = frozenset({"GetObject", "SelectObjectContent"})
_COPIES: Final = frozenset({"CopyObject", "UploadPartCopy"})
_WRITES: Final = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})


class S3AccessRecorder:
    """Recorder of the objects that sessions of one task read, write and delete.

    Args:
        hook: Hook that Airflow's hook lineage collector names as the source of the lineage; None
            if the hook itself reports to this collector.
    """

    def __init__(self, hook: Any = None) -> None:
        self._hook = hook
        self._lock = threading.Lock()
        #: URL with the version -> URL without it.
        self._read: dict[str, str] = {}
        self._written: dict[str, str] = {}

    def register(self, events: Any) -> None:
        """Receive the events of a session of botocore or aiobotocore."""
        events.register("before-parameter-build.s3", self._remember_parameters)
        events.register("after-call.s3", self._record_call)

    def clear(self) -> None:
        """Forget what was read and written."""
        with self._lock:
            self._read.clear()
            self._written.clear()

    def to_record(self) -> Record:
        """Return what was read and written so far."""
        with self._lock:
            read, written = list(self._read), list(self._written)
        used, read_gaps = _limit(read, "read")
        wrote, written_gaps = _limit(written, "written")
        gaps = read_gaps + written_gaps
        return Record.from_refs(Origin.READ, used=used, gaps=gaps) | Record.from_stored(*wrote)

    def add_read(self, url: str, version_id: str | None = None, etag: str | None = None) -> None:
        """Record an object that was read, unless the task has written this version before.

        Args:
            url: URL of the object without a version.
            version_id: Version ID of the object; None if it is not known.
            etag: Etag of the object; None if it is not known.
        """
        exact = add_s3_version(url, version_id, etag)
        is_own = exact in self._written or (exact == url and url in self._written.values())
        if not is_own:
            self._add(self._read, url, exact, "used")

    def add_written(
        self, url: str, version_id: str | None = None, etag: str | None = None
    ) -> None:
        """Record an object that was written; see `add_read`."""
        self._add(self._written, url, add_s3_version(url, version_id, etag), "written")

    def discard(self, url: str) -> None:
        """Remove an object that the task wrote and has deleted again."""
        with self._lock:
            for exact in [exact for exact, place in self._written.items() if place == url]:
                del self._written[exact]
        discard_output(url)

    def _add(self, urls: dict[str, str], url: str, exact: str, verb: str) -> None:
        if is_xcom(url):
            return
        replace_asset(url, exact)
        with self._lock:
            if exact in urls:
                return
            urls[exact] = url
            count = len(urls)
        if count <= _MAX_LOGGED:
            _log.info("Recorded as %s: %s", verb, exact)
        elif count == _MAX_LOGGED + 1:
            _log.info("Further objects are recorded as %s, but not logged", verb)
        if self._hook is not None:
            collector: Any = get_hook_lineage_collector()
            add = collector.add_input_asset if urls is self._read else collector.add_output_asset
            try:
                add(context=self._hook, uri=url)
            except ValueError as error:  # for example a URL that is too long for an asset
                _log.debug("Not reported to Airflow as %s: %s (%s)", verb, url, error)

    def _remember_parameters(
        self, params: Mapping[str, Any], context: dict[str, Any], **_: Any
    ) -> None:
        if not is_suspended():
            context[_CONTEXT_KEY] = dict(params)

    def _record_call(
        self,
        http_response: Any,
        parsed: Mapping[str, Any],
        model: Any,
        context: Mapping[str, Any],
        **_: Any,
    ) -> None:
        params = context.get(_CONTEXT_KEY)
        if params is None or http_response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            return
        operation, bucket = str(model.name), params.get("Bucket")
        if operation in _READS:
            self.add_read(_to_url(bucket, params["Key"]), *_parse_version(parsed))
        if operation in _COPIES and (source := _parse_copy_source(params.get("CopySource"))):
            self.add_read(source, parsed.get("CopySourceVersionId"))
        if operation in _WRITES:
            self.add_written(_to_url(bucket, params["Key"]), *_parse_version(parsed))
        if operation == "DeleteObject":
            self.discard(_to_url(bucket, params["Key"]))
        if operation == "DeleteObjects":
            kept = {error.get("Key") for error in parsed.get("Errors", ())}
            for key in {item["Key"] for item in params["Delete"]["Objects"]} - kept:
                self.discard(_to_url(bucket, key))


def _to_url(bucket: Any, key: str) -> str:
    """Return the URL of an object. A key may contain characters with a meaning in URLs.

    What hooks report of the object under another URL is ignored.
    """
    url = f"s3://{bucket}/{key.translate(_ESCAPED)}"
    replace_asset(f"s3://{bucket}/{key}", url)
    return url


def _parse_version(parsed: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the version ID and the etag in a response of S3; None if it has none."""
    etag = parsed.get("ETag") or (parsed.get("CopyObjectResult") or {}).get("ETag")
    return parsed.get("VersionId"), etag


def _parse_copy_source(source: Any) -> str | None:
    """Return the URL of the source of a copy, given as a dictionary or as `bucket/key`."""
    if isinstance(source, Mapping):
        return _to_url(source.get("Bucket"), str(source.get("Key")))
    if isinstance(source, str):
        bucket, _, key = source.lstrip("/").partition("?")[0].partition("/")
        return _to_url(bucket, unquote(key))
    return None


def _limit(urls: list[str], verb: str) -> tuple[list[UrlRef], list[str]]:
    """Return references to objects, or to their common prefix if there are too many."""
    if len(urls) <= _MAX_OBJECTS:
        return [UrlRef(url) for url in urls], []
    places = [strip_version(url) for url in urls]
    first, last = min(places), max(places)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    prefix = first[:length].rpartition("/")[0] + "/"
    return [UrlRef(prefix)], [f"{len(urls)} objects below {prefix} were {verb}, too many to list"]

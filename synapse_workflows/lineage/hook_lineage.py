"""What Airflow's hook lineage collector knows of the running task.

Hooks and `ObjectStoragePath` report to this collector what they read and write. The collector
belongs to the process. In `dag.test()`, a process runs several tasks, so each task starts with a
new collector.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from airflow.sdk import Asset, conf
from airflow.sdk.lineage import (
    MAX_COLLECTED_ASSETS,
    MAX_COLLECTED_EXTRA,
    get_hook_lineage_collector,
)

from synapse_workflows.lineage.container_images import ContainerImageRecorder
from synapse_workflows.lineage.reported_lineage import REPORTED
from synapse_workflows.lineage.sql_lineage import SQL_KEY, collect_sql
from synapse_workflows.provenance.record import Origin, Record, UrlRef

#: Schemes of assets that are not recorded: files of the worker, and entities, which the Synapse
#: client records with their versions.
_IGNORED_SCHEMES: Final = ("file:", "syn:")

_USER_INFO: Final = re.compile(r"(?<=://)[^/@]*@")

_Key = tuple[Any, ...]


class AccessRecorder(Protocol):
    """Recorder of what a library reads and writes."""

    def to_record(self) -> Record:
        """Return what was read and written since the last `clear`."""

    def clear(self) -> None:
        """Forget what was read and written."""


#: How often each asset and statement had been reported while lineage was suspended.
_ignored: Counter[_Key] = Counter()
#: URLs of assets that stand for objects with another URL.
_inexact: set[str] = set()
#: Recorders of libraries that do not report to Airflow's collector.
_recorders: list[AccessRecorder] = [REPORTED, ContainerImageRecorder()]


def collect_hook_lineage() -> Record:
    """Return the objects that hooks of the running task have read and written."""
    counts = {key for key in _count_assets() - _ignored if key[1] not in _inexact}
    written = {uri for is_output, uri in counts if is_output}
    read = [uri for is_output, uri in counts if not is_output and uri not in written]
    assets = Record(wrote=tuple(UrlRef(uri) for uri in sorted(written))) | Record.from_refs(
        Origin.READ, used=map(UrlRef, sorted(read)), gaps=_find_limits()
    )
    return Record.merge(
        (assets, collect_sql(_iter_sql()), *(one.to_record() for one in _recorders))
    )


def has_recorded() -> bool:
    """Return whether a recorder has recorded anything of the running task."""
    return any(one.to_record() for one in _recorders)


def add_recorder(recorder: AccessRecorder) -> None:
    """Add a recorder of what all tasks of the process read and write with a library."""
    _recorders.append(recorder)


@contextmanager
def ignore_hook_lineage() -> Iterator[None]:
    """Ignore what hooks read and write inside this block."""
    before, size = _count_reports(), REPORTED.get_size()
    try:
        yield
    finally:
        _ignored.update(_count_reports() - before)
        REPORTED.skip(size, REPORTED.get_size())


def discard_output(uri: str) -> None:
    """Ignore that the task has written an object, because the task has deleted it again."""
    key = (True, _remove_conn_id(uri))
    _ignored[key] = _count_assets()[key]


def replace_asset(uri: str, exact: str) -> None:
    """Ignore an object that is recorded under its exact URL.

    Hooks report an object by its key. In the URL of an asset, Airflow sorts what follows a `?`,
    and removes what follows a `#`, tabs and line breaks: it may be the URL of another object.

    Args:
        uri: URL of the object, as hooks report it.
        exact: URL under which the object is recorded.
    """
    try:
        asset = Asset(uri=uri).uri
    except ValueError:  # for example a URL that is too long for an asset
        return
    if asset != exact:
        _inexact.add(asset)


def forget_recorded() -> None:
    """Forget what earlier tasks of the process have read and written."""
    _inexact.clear()
    _ignored.clear()
    for recorder in _recorders:
        recorder.clear()


def _count_reports() -> Counter[_Key]:
    counts = _count_assets()
    for extra in get_hook_lineage_collector().collected_assets.extra:
        counts[_get_extra_key(extra)] += extra.count
    return counts


def _count_assets() -> Counter[_Key]:
    collected = get_hook_lineage_collector().collected_assets
    counts: Counter[_Key] = Counter()
    for is_output, assets in ((False, collected.inputs), (True, collected.outputs)):
        for uri, count in _iter_uris(assets):
            counts[is_output, uri] += count
    return counts


def _remove_conn_id(uri: str) -> str:
    """Return the URI of an object without the connection, as in `s3://aws_default@bucket/key`."""
    return _USER_INFO.sub("", uri, count=1)


def is_xcom(uri: str) -> bool:
    """Return whether an object without a connection in its URL is a value of the XCom backend."""
    backend = conf.get("common.io", "xcom_objectstorage_path", fallback="")
    return bool(backend) and uri.startswith(f"{_remove_conn_id(backend).rstrip('/')}/")


def _iter_uris(assets: Iterable[Any]) -> Iterator[tuple[str, int]]:
    for info in assets:
        uri = _remove_conn_id(info.asset.uri)
        if "://" in uri and not uri.startswith(_IGNORED_SCHEMES) and not is_xcom(uri):
            yield uri, info.count


def _iter_sql() -> Iterator[tuple[Any, Any]]:
    """Yield the hooks that ran SQL, and what they report of each statement."""
    for extra in get_hook_lineage_collector().collected_assets.extra:
        if extra.key == SQL_KEY and extra.count > _ignored[_get_extra_key(extra)]:
            yield extra.context, extra.value


def _get_extra_key(extra: Any) -> _Key:
    return extra.key, repr(extra.value), id(extra.context)


def _find_limits() -> Iterator[str]:
    """Yield a gap for each kind of report of which Airflow's collector takes no more."""
    collected = get_hook_lineage_collector().collected_assets
    for reports, limit, what in (
        (collected.inputs, MAX_COLLECTED_ASSETS, "objects that hooks read"),
        (collected.outputs, MAX_COLLECTED_ASSETS, "objects that hooks wrote"),
        (collected.extra, MAX_COLLECTED_EXTRA, "SQL statements"),
    ):
        if len(reports) >= limit:
            yield f"{what} after the first {limit} are not known: [lineage] limits their number"

"""What Airflow's hook lineage collector knows of the running task.

Hooks and `ObjectStoragePath` report to this collector what they read and write. The collector
belongs to the process. In `dag.test()`, a process runs several tasks, so a task has to ignore what
was collected before its start.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from airflow.listeners import hookimpl
from airflow.sdk import Asset
from airflow.sdk.lineage import get_hook_lineage_collector

from synapse_workflows.provenance.record import Origin, Record, UrlRef

#: Schemes of assets that are not recorded: files of the worker, and entities, which the Synapse
#: client records with their versions.
_IGNORED_SCHEMES: Final = ("file:", "syn:")

_Key = tuple[bool, str]
#: How often each asset had been read or written when the task started, or while lineage was
#: suspended.
_ignored: Counter[_Key] = Counter()
#: URLs of assets that stand for objects with another URL.
_inexact: set[str] = set()


def collect_hook_lineage() -> Record:
    """Return the objects that hooks of the running task have read and written."""
    counts = {key for key in _count_assets() - _ignored if key[1] not in _inexact}
    written = {uri for is_output, uri in counts if is_output}
    read = [uri for is_output, uri in counts if not is_output and uri not in written]
    return Record(wrote=tuple(UrlRef(uri) for uri in sorted(written))) | Record.from_refs(
        Origin.READ, used=map(UrlRef, read)
    )


@contextmanager
def ignore_hook_lineage() -> Iterator[None]:
    """Ignore what hooks read and write inside this block."""
    before = _count_assets()
    try:
        yield
    finally:
        _ignored.update(_count_assets() - before)


def discard_output(uri: str) -> None:
    """Ignore that the task has written an object, because the task has deleted it again."""
    key = (True, uri)
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


@hookimpl
def on_task_instance_running(previous_state: Any, task_instance: Any) -> None:  # noqa: ARG001
    """Ignore what earlier tasks of the process have read and written."""
    _inexact.clear()
    _ignored.clear()
    _ignored.update(_count_assets())


def _count_assets() -> Counter[_Key]:
    collected = get_hook_lineage_collector().collected_assets
    counts: Counter[_Key] = Counter()
    for is_output, assets in ((False, collected.inputs), (True, collected.outputs)):
        for uri, count in _iter_uris(assets):
            counts[is_output, uri] += count
    return counts


def _iter_uris(assets: Iterable[Any]) -> Iterator[tuple[str, int]]:
    for info in assets:
        uri = info.asset.uri
        if "://" in uri and not uri.startswith(_IGNORED_SCHEMES):
            yield uri, info.count

"""Imports of the modules whose classes `hook_instrumentation` wraps.

Every task imports this module. It imports the instrumentation when a task imports one of the
modules, or opens a file of `ObjectStoragePath`, which Airflow imports in every task.
"""

import sys
from collections.abc import Callable
from functools import wraps
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import Any, Final

from airflow.sdk.io.path import ObjectStoragePath

#: Modules of other providers whose classes are wrapped.
_MODULES: Final = frozenset(
    {"airflow.providers.http.hooks.http", "airflow.providers.amazon.aws.hooks.base_aws"}
)
_METHODS: Final = ("open", "read_bytes", "read_text", "write_bytes", "write_text", "unlink")


class ImportFinder:
    """Finder of modules that imports the instrumentation before the first module it wraps."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        """Return the spec of a wrapped module, as the other finders find it; None for others."""
        if name not in _MODULES:
            return None
        _instrument()
        return find_spec(name)


def watch_imports() -> None:
    """Wrap the classes of other providers, now or when their modules are imported."""
    if _MODULES & sys.modules.keys():
        _instrument()
    elif not any(isinstance(finder, ImportFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, ImportFinder())
    for name in _METHODS:
        method = getattr(ObjectStoragePath, name, None)
        if method is not None and not hasattr(method, "reports_lineage"):
            setattr(ObjectStoragePath, name, _wrap(name, method))


def _instrument() -> None:
    from synapse_workflows.lineage.hook_instrumentation import instrument_hooks

    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, ImportFinder)]
    instrument_hooks()


def _wrap(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of `ObjectStoragePath` that reports what it reads or writes."""

    @wraps(method)
    def call(path: Any, *args: Any, **kwargs: Any) -> Any:
        from synapse_workflows.lineage.hook_instrumentation import call_path_method

        return call_path_method(name, method, path, args, kwargs)

    call.reports_lineage = True  # type: ignore[attr-defined]
    return call

"""Whether hooks of the running task have reported lineage.

Every task imports this module, so it imports only what a task needs that reports nothing. The
implementation is in `hook_lineage`.
"""

import sys
from importlib import import_module
from typing import Any, Final

from synapse_workflows.lineage.reported_lineage import REPORTED

_AIRFLOW: Final = "airflow.sdk.lineage"
_IMPLEMENTATION: Final = "synapse_workflows.lineage.hook_lineage"
#: Classes of operators whose containers are recorded; see `container_images`.
_CONTAINER_OPERATORS: Final = frozenset({"DockerOperator", "KubernetesPodOperator"})


def start_hook_lineage() -> None:
    """Forget what earlier tasks of the process have read and written."""
    REPORTED.clear()
    if _IMPLEMENTATION in sys.modules:
        import_module(_IMPLEMENTATION).forget_recorded()
    if _has_collected():
        sys.modules[_AIRFLOW].get_hook_lineage_collector.cache_clear()


def has_hook_lineage(task: Any) -> bool:
    """Return whether hooks or programs of the running task have reported anything.

    Args:
        task: The running task.
    """
    if _has_collected() or REPORTED.has_reports:
        return True
    names = {cls.__name__ for cls in type(task).__mro__}
    if _IMPLEMENTATION not in sys.modules and not names & _CONTAINER_OPERATORS:
        return False
    return bool(import_module(_IMPLEMENTATION).has_recorded())


def _has_collected() -> bool:
    """Return whether hooks have reported to Airflow's collector."""
    lineage = sys.modules.get(_AIRFLOW)
    return lineage is not None and bool(lineage.get_hook_lineage_collector().has_collected)

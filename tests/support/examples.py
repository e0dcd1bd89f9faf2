"""The example DAGs, imported as Airflow imports them."""

import importlib.util
import sys
from functools import cache
from types import ModuleType
from typing import Any

from synapse_workflows.demo.paths import examples_dir


@cache
def import_example(number: int) -> ModuleType:
    """Import the example with a number."""
    (path,) = examples_dir().glob(f"{number:02}_*.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def create_dag(number: int, name: str) -> Any:
    """Return a new DAG of an example, with the file of the example as its code."""
    module = import_example(number)
    dag = getattr(module, name)()
    dag.fileloc = module.__file__
    return dag

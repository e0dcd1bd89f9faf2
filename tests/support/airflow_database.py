"""Metadata databases of Airflow: migrated once for all tests of a process, then copied."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from synapse_workflows.demo.runner import airflow_environment, migrate_database

#: Directory that is deleted at the end of the process.
_FOLDER = tempfile.TemporaryDirectory(prefix="airflow-database-")


def create_database(folder: Path) -> None:
    """Create Airflow's metadata database in a working directory of `airflow_environment`.

    `migrate_database` then has nothing to do in this directory.
    """
    home = folder / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_migrate_once(), home / "airflow.db")
    (home / "migrated").touch()


@cache
def _migrate_once() -> Path:
    folder = Path(_FOLDER.name)
    migrate_database(airflow_environment(folder, {"airflow_connection": ""}), folder)
    return folder / "airflow" / "airflow.db"

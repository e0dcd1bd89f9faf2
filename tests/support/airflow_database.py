"""Metadata databases of Airflow: migrated once for each version of Airflow, then copied."""

import secrets
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from cryptography.fernet import Fernet
from filelock import FileLock

from synapse_workflows.demo.runner import airflow_environment, migrate_database

#: Directory of pytest for files that are kept between test runs.
_CACHE = Path(__file__).parents[2] / ".pytest_cache" / "airflow"


def create_database(folder: Path) -> None:
    """Create Airflow's metadata database in a working directory of `airflow_environment`.

    `migrate_database` then has nothing to do in this directory.
    """
    home = folder / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_get_database(), home / "airflow.db")
    # without it, each component of Airflow that starts creates keys of its own
    (home / "airflow.cfg").write_text(
        f"[core]\nfernet_key = {Fernet.generate_key().decode()}\n"
        f"[api]\nsecret_key = {secrets.token_hex(32)}\n"
        f"[api_auth]\njwt_secret = {secrets.token_hex(32)}\n"
    )
    (home / "migrated").touch()


def _get_database() -> Path:
    """Return a new database, which the first of several test processes creates."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    database = _CACHE / f"{version('apache-airflow')}.db"
    with FileLock(_CACHE / "lock"):
        if not database.exists():
            with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
                environment = airflow_environment(Path(folder), {"airflow_connection": ""})
                migrate_database(environment, Path(folder))
                Path(folder, "airflow", "airflow.db").replace(database)
    return database

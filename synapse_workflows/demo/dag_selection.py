"""Selection of the example DAGs that a demo runs: Airflow parses no other examples."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

_NUMBERS: Final = "SYNAPSE_WORKFLOWS_DEMO_NUMBERS"


def select_dags(dag_ids: Iterable[str]) -> dict[str, str]:
    """Return environment variables with which Airflow parses the files of some examples only.

    Args:
        dag_ids: IDs of DAGs, as `synapse_01_summarise`; the names of their files start with the
            same numbers.
    """
    return {
        "AIRFLOW__CORE__MIGHT_CONTAIN_DAG_CALLABLE": f"{__name__}.is_selected",
        _NUMBERS: ",".join(dag_id.split("_")[1] for dag_id in dag_ids),
    }


def is_selected(file_path: str, zip_file: Any = None) -> bool:  # noqa: ARG001 - Airflow's signature
    """Return whether Airflow parses a file.

    Args:
        file_path: Path of the file.
        zip_file: Archive with the file; None for a file of a directory.
    """
    return Path(file_path).name.split("_")[0] in os.environ[_NUMBERS].split(",")

"""The data set `demo`: the Breast Cancer Wisconsin (Diagnostic) data, for the examples."""

from typing import Any, Final

from synapse_workflows.constants import FOLDER, PROJECT
from synapse_workflows.demo.paths import examples_dir
from synapse_workflows.local.seeder import Seeder

_DATA_ANNOTATIONS: Final[dict[str, Any]] = {
    "authors": ["William H. Wolberg", "W. Nick Street", "Olvi L. Mangasarian"],
    "dataType": ["clinical"],
    "doi": ["10.24432/C5DW2B"],
    "fileFormat": ["csv"],
    "license": ["CC BY 4.0"],
    "rows": [569],
    "source": ["UCI Machine Learning Repository: Breast Cancer Wisconsin (Diagnostic)"],
    "species": ["Homo sapiens"],
}
_DICTIONARY_ANNOTATIONS: Final[dict[str, Any]] = {
    "dataType": ["data dictionary"],
    "fileFormat": ["csv"],
    "license": ["CC BY 4.0"],
    "rows": [30],
}


def seed_demo(seeder: Seeder) -> dict[str, str]:
    """Create the data of the example DAGs.

    Keep the order of the calls. The order determines the entity IDs in an empty service, and the
    examples contain these IDs.

    Returns:
        Key -> entity ID: `project`, `raw`, `results`; the files `data` and `dictionary`; the
        tables `measurements` and `features` with the rows of these files.
    """
    data = examples_dir() / "data"
    project = seeder.get_or_create_entity(
        PROJECT,
        "Demo - breast cancer diagnostics",  # entity names must not contain colons
        None,
        description="The Breast Cancer Wisconsin (Diagnostic) data, for the examples.",
    )
    raw = seeder.get_or_create_entity(FOLDER, "raw", project)
    measurements, features = data / "breast_cancer_wisconsin.csv", data / "feature_dictionary.csv"
    ids = {
        "project": project,
        "raw": raw,
        "data": seeder.get_or_create_file(raw, measurements, _DATA_ANNOTATIONS),
        "dictionary": seeder.get_or_create_file(raw, features, _DICTIONARY_ANNOTATIONS),
        "results": seeder.get_or_create_entity(FOLDER, "results", project),
    }
    for name, path, file in (
        ("measurements", measurements, ids["data"]),
        ("features", features, ids["dictionary"]),
    ):
        ids[name] = seeder.get_or_create_table(name, project, path, file)
    return ids

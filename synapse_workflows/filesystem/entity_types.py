"""Types of entities, as types of files."""

from typing import Final

from synapse_workflows.constants import FILE, TABLE, VIEWS

DIRECTORY: Final = "directory"
#: Types whose rows are read as CSV.
TABULAR: Final = frozenset({TABLE, *VIEWS})


def get_file_type(concrete_type: str) -> str:
    """Return the type of an entity that is not a directory: `file` or `other`."""
    return "file" if concrete_type == FILE or concrete_type in TABULAR else "other"

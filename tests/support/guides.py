"""Code blocks of the README and of the guides."""

import re
from pathlib import Path

from synapse_workflows.docs.code_examples import REPO, CodeBlock, list_blocks

#: ID of an entity, or of an evaluation queue.
_ID = re.compile(r"\b(?:syn\d+|96\d{5})\b")
_DAG = re.compile(r"^@dag\b[\s\S]*?^def (\w+)", re.MULTILINE)


def find_dag_id(text: str) -> str | None:
    """Return the ID of the DAG that a block defines."""
    found = _DAG.search(text)
    return found[1] if found else None


def blocks(language: str) -> list[CodeBlock]:
    return [block for block in list_blocks() if block.language == language]


#: DAG ID -> text of the block that defines the DAG.
DAGS = {dag_id: block.text for block in blocks("python") if (dag_id := find_dag_id(block.text))}


def replace_ids(text: str, ids: dict[str, str]) -> str:
    """Replace the IDs of a block by existing ones."""
    assert set(_ID.findall(text)) == set(ids)
    return _ID.sub(lambda one: ids[one[0]], text)


def write_dag(folder: Path, dag_id: str, ids: dict[str, str]) -> Path:
    """Write the file of a DAG, with existing IDs instead of those of the guide."""
    path = folder / f"{dag_id}.py"
    path.write_text(replace_ids(DAGS[dag_id], ids))
    return path


__all__ = ["DAGS", "REPO", "blocks", "find_dag_id", "replace_ids", "write_dag"]

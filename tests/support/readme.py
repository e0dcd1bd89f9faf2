"""Code blocks of the README."""

import re
from pathlib import Path

REPO = Path(__file__).parents[2]
TEXT = (REPO / "README.md").read_text()
#: Language and text of each block.
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
#: DAG ID -> text of the block that defines the DAG.
DAGS = {
    found[1]: text
    for _, text in BLOCKS
    if (found := re.search(r"^@dag\b[\s\S]*?^def (\w+)", text, re.MULTILINE))
}


def blocks(language: str) -> list[str]:
    return [text for word, text in BLOCKS if word == language]


def write_dag(folder: Path, dag_id: str, ids: dict[str, str]) -> None:
    """Write the file of a DAG, with existing IDs instead of those in the README."""
    text = DAGS[dag_id]
    assert set(re.findall(r"syn\d+", text)) == set(ids)
    (folder / f"{dag_id}.py").write_text(re.sub(r"syn\d+", lambda one: ids[one[0]], text))

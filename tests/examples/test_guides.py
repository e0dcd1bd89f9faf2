"""Every block of the README and of the guides is executed."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.guides import DAGS, REPO, blocks, find_dag_id

from synapse_workflows.demo.processes import run_service
from synapse_workflows.docs.code_examples import list_blocks, list_pages

TESTS = Path(__file__).parents[1]
#: Words of blocks that are neither scripts nor DAGs: DAGs made of files, which tests of their own
#: run, and code of other packages, which is compared with that of this one.
OTHERS = ("create_challenge_dag", "# before\n")


def lines(text: str) -> list[str]:
    """Return the commands of a shell block, without comments."""
    return [line.partition(" #")[0].strip() for line in text.splitlines() if line.strip()]


COMMANDS = [line for block in blocks("sh") for line in lines(block.text)]
SCRIPTS = [
    block
    for block in blocks("python")
    if not find_dag_id(block.text) and not any(word in block.text for word in OTHERS)
]
PAGES = list(dict.fromkeys(block.page for block in SCRIPTS))


def test_every_block_is_of_a_known_kind():
    """Those of other kinds are not executed, or belong to a block that is."""
    kinds = {block.language for block in list_blocks()}
    assert kinds <= {"ini", "json", "python", "sh", "text", "yaml"}


def test_the_readme_is_at_most_250_lines_long():
    assert len((REPO / "README.md").read_text().splitlines()) <= 250


def test_the_readme_links_to_each_guide_that_exists():
    linked = re.findall(
        r"\]\((synapse_workflows/docs/\w+\.md)\)", (REPO / "README.md").read_text()
    )
    guides = {str(page.relative_to(REPO)) for page in list_pages()[1:] if page.stem != "index"}
    assert set(linked) == guides


@pytest.mark.parametrize("page", list_pages(), ids=lambda page: page.name)
def test_local_links_of_a_page_lead_to_a_file(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [one for one in targets if not (page.parent / one).exists()] == []


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_dag_has_a_test_and_at_most_45_lines(dag_id):
    names = (f"def test_{dag_id}(", f'"{dag_id}"')
    texts = [path.read_text() for path in TESTS.rglob("test_*.py")]
    assert [text for text in texts if any(name in text for name in names)]
    assert len(DAGS[dag_id].strip().splitlines()) <= 45


def test_a_dag_that_is_on_several_pages_is_the_same():
    texts = {(find_dag_id(block.text), block.text) for block in blocks("python")}
    assert len([one for one, _ in texts if one]) == len(DAGS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_scripts_of_a_page(page, socket_service, socket_client, tmp_path, monkeypatch):
    """They run in their order, in a directory with the file of the local Synapse of Airflow."""
    monkeypatch.chdir(tmp_path)
    service_file = tmp_path / ".airflow" / "synapse" / "service.json"
    service_file.parent.mkdir(parents=True)
    service_file.write_text(json.dumps(dict(socket_service.service_info)))
    names = {"syn": socket_client}
    for block in SCRIPTS:
        if block.page == page:
            exec(compile(block.text, str(page), "exec"), names)  # noqa: S102


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make ")])
def test_every_make_command_has_a_target(command):
    """Checked with `make --dry-run`: the targets run this test suite themselves."""
    target = shlex.split(command)[1]
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", target],
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ".venv" in done.stdout


def test_the_serve_command_starts_the_service(tmp_path):
    """Port and directory differ, so that tests can run in parallel."""
    (command,) = {line for line in COMMANDS if line.startswith("synapse-workflows serve")}
    seed = shlex.split(command)[-1]
    with run_service(tmp_path, seeds=[seed], s3="off") as service:
        assert service["seed"]["data"].startswith("syn")
    assert "--port 8610 --data .synapse --seed demo" in command
    output = (tmp_path / "serve.log").read_text()
    for expected in ("From Python:", "AIRFLOW_CONN_SYNAPSE_DEFAULT", "~/.synapseConfig"):
        assert expected in output


def test_the_first_example_runs_in_a_new_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPTS[0].text], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sum" in done.stdout
    assert re.search(r"syn\d+\.1", done.stdout)


def test_the_challenge(tmp_path):
    """The DAG is made of the YAML file, without network access."""
    (text,) = (block.text for block in blocks("yaml") if "dag_id:" in block.text)
    (tmp_path / "challenge.yaml").write_text(text)
    for name in ("validate.py", "score.py"):
        (tmp_path / name).touch()
    (code,) = (block.text for block in blocks("python") if "challenge.yaml" in block.text)
    names = {"__file__": str(tmp_path / "challenge.py")}
    exec(compile(code, "challenges.md", "exec"), names)  # noqa: S102
    dag = names["dag"]
    assert dag.dag_id == "diagnosis"
    assert dag.task_ids == [
        "reap", "claim", "evaluate.score", "evaluate.message", "leaderboard",
        "announce_remaining",
    ]  # fmt: skip

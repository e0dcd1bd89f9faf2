"""The commands below `synapse-workflows provenance`, against a real service."""

import json

import pytest
from typer.testing import CliRunner

from synapse_workflows import Activity, File
from synapse_workflows.cli import app
from synapse_workflows.constants import USED_URL

MOVING = "https://github.com/org/repo/blob/main/flow.py"


@pytest.fixture
def service(socket_service):
    """The service over a socket only."""
    return socket_service


@pytest.fixture
def run(socket_service, tmp_path, monkeypatch):
    """Return a function that runs a command as alice; she has a ~/.synapseConfig."""
    (tmp_path / ".synapseConfig").write_text(socket_service.synapse_config("alice"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments, status=0):
        result = CliRunner().invoke(app, ["provenance", *arguments])
        assert result.exit_code == status, result.output
        return result.output

    return run


@pytest.fixture
def store(syn, folder, make_file):
    """Return a function that stores a version of a file; returns its ID with the version."""

    def make(name, used=(), executed=()):
        sources = list(used), list(executed)
        activity = Activity(f"make {name}", None, *sources) if any(sources) else None
        path = str(make_file(f"{name}.txt"))
        stored = syn.store(File(path, parent=folder, name=name), activity=activity)
        return f"{stored.id}.{stored.versionNumber}"

    return make


def test_tree_is_the_default_command(run, store):
    raw = store("raw")
    result = store("result", [raw], [MOVING])
    expected = [
        f"result ({result})",
        "└─ make result",
        f"   ├─ used      raw ({raw})",
        f"   └─ executed  {MOVING}",
    ]
    for arguments in (
        [result],
        ["tree", result],
        [result.partition(".")[0]],
        [result.upper()],
        ["--depth", "3", result],
        [result, "--depth", "3"],
    ):
        assert run(*arguments).splitlines() == expected


def test_control_characters_of_other_users_are_not_printed(run, syn, store):
    result = store("result")
    used = {"url": "https://h/x", "name": "n\x9b1m\nm", "concreteType": USED_URL}
    syn.setProvenance(result[:-2], Activity("a\x1b]0;t\x07\nb", "c\u202e\x1b[2J", used=[used]))
    for arguments in ([result], ["check", result], ["diff", result, result]):
        output = run(*arguments)
        assert not any(not one.isprintable() and one != "\n" for one in output)
    assert "└─ a\ufffd]0;t\ufffd b\n" in run(result)
    assert "used      n\ufffd1m m <https://h/x>" in run(result)


def test_downstream_says_where_it_searched(run, store, project):
    raw = store("raw")
    result = store("result", [raw])
    lines = run(raw, "--downstream").splitlines()
    assert lines[:-2] == [
        f"raw ({raw})",
        "└─ (no Activity)",
        "",
        "Made from it:",
        "",
        f"raw ({raw})",
        "└─ used by      make result",
        f"                └─ generated  result ({result})",
    ]
    assert lines[-1].startswith(f"Note: Versions made from {raw} were searched in {project.name} ")
    graph = json.loads(run("tree", raw, "--downstream", "--within", project.id, "--json"))
    assert graph["roots"] == [raw]
    assert [each["generated"] for each in graph["activities"]] == [[result]]
    assert "Only --downstream searches" in run(raw, "--within", project.id, status=2)


def test_depth_is_noted(run, store):
    chain = store("c", [store("b", [store("a", ["https://host/x"])])])
    assert "The depth of the walk is 1." in run(chain, "--depth", "1").splitlines()[-1]


def test_check_exits_with_1_for_problems_only_if_strict(run, store, folder):
    good = store("good", ["https://host/a"])
    assert run("check", folder.id, "--strict").startswith("Lineage coverage of data")
    store("bad", [good], [MOVING])
    assert "URLs that follow a branch or tag (1):" in run("check", folder.id)
    assert "URLs that follow a branch or tag (1):" in run("check", folder.id, "--strict", status=1)
    report = json.loads(run("check", folder.id, "--json", "--strict", status=1))
    assert report["problems"] == 1
    assert report["findings"][0]["source"] == MOVING
    store("good")
    assert json.loads(run("check", folder.id, "--json"))["versions"] == 2
    assert json.loads(run("check", folder.id, "--json", "--all-versions"))["versions"] == 3


def test_diff_exits_with_1_for_differences_only_on_request(run, store):
    first, second = store("file", [store("raw")]), store("file", [store("raw")])
    assert "Inputs:\n  ~ raw (" in run("diff", first, second)
    run("diff", first, second, "--exit-code", status=1)
    assert "Inputs: unchanged" in run("diff", first, first, "--exit-code")
    assert json.loads(run("diff", first, second, "--json"))["has_differences"] is True


def test_export_writes_a_file_or_stores_one(run, store, folder, syn, tmp_path):
    result = store("result", [store("raw")])
    path = tmp_path / "drawing.svg"
    assert run("export", result, "-o", str(path)) == f"{path}\n"
    assert path.read_text().startswith("<")
    for entity in (result, result.upper(), result[3:-2]):
        exported = result[:-2] if entity == result[3:-2] else result
        path_of_name = tmp_path / f"provenance_{exported}.mmd"
        assert run("export", entity, "--format", "mermaid") == f"{path_of_name}\n"
    stored = run("export", result, "--format", "svg", "--parent", folder.id).strip()
    assert syn.getProvenance(stored)["used"][0]["reference"]["targetId"] == result[:-2]
    assert json.loads(run("export", result, "-o", str(path), "--json"))["path"] == str(path)
    path.write_text("mine")
    assert "Error: " in run("export", result, "-o", str(path), status=1)
    assert path.read_text() == "mine"
    assert "Invalid format 'pdf'" in run("export", result, "--format", "pdf", status=1)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["nonsense"], 1),
        (["tree", "nonsense"], 1),
        (["export", "nonsense", "--format", "svg"], 1),
        (["check", "nonsense"], 2),
        (["diff", "syn1", "nonsense"], 2),
    ],
)
def test_invalid_id_is_an_error_before_any_request(arguments, status, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["provenance", *arguments])
    assert result.exit_code == status
    assert result.output.startswith("Error: Invalid Synapse ID 'nonsense': expected 'syn'")


def test_missing_entity_and_unknown_command_are_errors(run):
    for arguments, status in (
        (["syn999999999"], 1),
        (["check", "syn999999999"], 2),
        (["diff", "syn999999999", "syn1"], 2),
    ):
        output = run(*arguments, status=status)
        assert output.startswith("Error: 404 ")
        assert "Traceback" not in output
    assert "No such command 'chek'" in run("chek", "syn1", status=2)

"""Manifests: what is written and read, and what a synchronization makes of it."""

import csv
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given, settings, strategies as st

from synapse_workflows import Activity, Annotations, File, Folder, Project
from synapse_workflows.sync.apply import ApplyOptions, apply_plan
from synapse_workflows.sync.download import write_download_manifest
from synapse_workflows.sync.download_plan import plan_download
from synapse_workflows.sync.local_directory import LocalDirectory
from synapse_workflows.sync.manifest import ManifestError, read_manifest
from synapse_workflows.sync.manifest_cells import format_cell, has_same_values, parse_cell
from synapse_workflows.sync.options import PlanOptions
from synapse_workflows.sync.upload_plan import plan_upload

MOMENT = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
TYPED = st.one_of(
    st.lists(st.text(max_size=20), min_size=1, max_size=4),
    st.lists(
        st.sampled_from(
            ["1", "true", "nan", "[a]", "a,b", '"', "\\", "2020-01-01", "20200101", "NA"]
        )
    ),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3),
    st.lists(st.integers(1000_01_01, 2999_12_31), min_size=1, max_size=3),
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=3),
    st.lists(st.booleans(), min_size=1, max_size=3),
)


@given(values=TYPED)
@settings(max_examples=67)
def test_cells_keep_values_and_types(values):
    cell = format_cell(values)
    assert "\t" not in cell
    assert "\n" not in cell
    parsed = parse_cell(cell)
    assert parsed == values
    assert [type(one) for one in parsed] == [type(one) for one in values]
    assert has_same_values(cell, values)


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("a", ["a"]),
        ("[a,b]", ["a", "b"]),
        ('["a,b",c]', ["a,b", "c"]),
        ("[1,2]", [1, 2]),
        ("1.5", [1.5]),
        ("TRUE", [True]),
        ("2020-01-02T03:04:05Z", [MOMENT]),
        ("[2020-01-02T03:04:05Z,2020-01-02 05:04:05+02:00]", [MOMENT, MOMENT]),
        ("2020-01-01", [datetime(2020, 1, 1, tzinfo=UTC)]),
        ("20200101", [20200101]),
        ("[20200101,20201231]", [20200101, 20201231]),
        ("2020W01", ["2020W01"]),
        ("2020-W01-1", ["2020-W01-1"]),
        ("2020-01-99", ["2020-01-99"]),
        ("", []),
    ],
)
def test_cells_of_the_official_client_are_read(cell, values):
    assert parse_cell(cell) == values


@pytest.mark.parametrize(
    ("cell", "values", "is_same"),
    [
        ("2020-01-01", ["2020-01-01"], True),
        ("123", ["123"], True),
        ("123", [123], True),
        ("123", [124], False),
        ("1", [1.0], False),
        ("[a,b]", ["b", "a"], False),
        ("", ["a"], False),
    ],
)
def test_an_ambiguous_cell_stands_for_the_existing_value(cell, values, is_same):
    assert has_same_values(cell, values) is is_same


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\tparent\na\tsyn1\n", "no column path"),
        ("path,parent\na,syn1\n", "no column path and no column parent"),
        ("path\tparent\n\tsyn1\n", "line 2: the path is empty"),
        ("path\tparent\na\tfolder\n", "line 2: the parent 'folder' is no Synapse ID"),
        ("path\tparent\na\tsyn1\na\tsyn1\n", "lines 2 and 3 have the same path"),
        ("path\tparent\tpath\na\tsyn1\tb\n", "two columns are named 'path'"),
        ("path\tparent\tsynapseStore\na\tsyn1\tperhaps\n", "Invalid synapseStore 'perhaps'"),
        ("path\tparent\na\tsyn1\tx\n", "3 cells"),
        ("", "no column path"),
    ],
)
def test_invalid_manifests_name_the_line(text, message):
    with pytest.raises(ManifestError, match=message):
        read_manifest(iter(text.splitlines(keepends=True)), "m.tsv")


@pytest.fixture(scope="module")
def syn(socket_service, tmp_path_factory):
    with socket_service.client(cache_root_dir=str(tmp_path_factory.mktemp("cache"))) as client:
        yield client


@pytest.fixture
def project(syn):
    return syn.store(Project(f"manifest {uuid4()}")).id


@pytest.fixture
def directory(tmp_path):
    root = tmp_path / "source"
    (root / "sub").mkdir(parents=True)
    for name in ("raw.csv", "clean.csv", "sub/plot.txt"):
        (root / name).write_text(f"{name} {uuid4()}")
    return LocalDirectory(root)


def rows_of(*rows):
    """Return the rows of a manifest with the given dictionaries."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    return read_manifest(iter("\t".join(line) + "\n" for line in lines), "manifest.tsv")


def sync(syn, directory, project, rows, **options):
    plan = plan_upload(syn, directory, project, PlanOptions(), rows)
    results = apply_plan(syn, directory, plan, ApplyOptions(**options))
    assert [one.error for one in results if one.error] == []
    return {one.path: one.action for one in plan.items if one.kind == "file"}


def find(syn, parent, name):
    return syn.get(syn.findEntityId(name, parent), downloadFile=False)


def sources(syn, entity):
    used = syn.getProvenance(entity)["used"]
    return sorted(
        f"{one['reference']['targetId']}.{one['reference'].get('targetVersionNumber')}"
        if "reference" in one
        else one["url"]
        for one in used
    )


def test_rows_give_parent_name_annotations_and_sources(syn, project, directory):
    parent = syn.store(Folder("other", parent=project)).id
    table = [
        {
            "path": "clean.csv", "parent": parent, "name": "cleaned", "used": "raw.csv",
            "executed": "https://example.org/clean.py", "activityName": "Clean", "n": "[1,2]",
        },
        {"path": str(directory.root / "raw.csv"), "parent": "", "kind": "raw"},
    ]  # fmt: skip
    rows = rows_of(*table)
    assert sync(syn, directory, project, rows) == {"raw.csv": "new", "clean.csv": "new"}
    raw, clean = find(syn, project, "raw.csv"), find(syn, parent, "cleaned")
    assert (raw.annotations, clean.annotations) == ({"kind": ["raw"]}, {"n": [1, 2]})
    assert sources(syn, clean) == ["https://example.org/clean.py", f"{raw.id}.1"]
    assert syn.getProvenance(clean)["name"] == "Clean"
    assert sync(syn, directory, project, rows) == {"raw.csv": "same", "clean.csv": "same"}
    (directory.root / "raw.csv").write_text(f"changed {uuid4()}")
    assert sync(syn, directory, project, rows) == {"raw.csv": "changed", "clean.csv": "changed"}
    assert sources(syn, clean.id) == ["https://example.org/clean.py", f"{raw.id}.2"]


def test_changed_cells_are_applied_and_other_annotations_kept(syn, project, directory):
    row = {"path": "raw.csv", "parent": project, "n": "1"}
    sync(syn, directory, project, rows_of(row))
    file = find(syn, project, "raw.csv")
    annotations = syn.get_annotations(file.id)
    syn.set_annotations(Annotations(file.id, annotations.etag, {"mine": "x", "n": 1}))
    changed = row | {"n": "2"}
    assert sync(syn, directory, project, rows_of(changed)) == {"raw.csv": "changed"}
    found = find(syn, project, "raw.csv")
    assert (found.annotations, found.versionNumber) == ({"mine": ["x"], "n": [2]}, 1)
    forced = changed | {"n": "3", "forceVersion": "True"}
    sync(syn, directory, project, rows_of(forced))
    assert find(syn, project, "raw.csv").versionNumber == 2
    sourced = forced | {"used": "https://example.org/a"}
    assert sync(syn, directory, project, rows_of(sourced)) == {"raw.csv": "changed"}
    assert find(syn, project, "raw.csv").versionNumber == 3
    assert sync(syn, directory, project, rows_of(sourced)) == {"raw.csv": "same"}


def test_urls_are_registered_as_external_files(syn, project, directory):
    row = {"path": "https://example.org/data.csv", "parent": project, "name": "data.csv"}
    assert list(sync(syn, directory, project, rows_of(row)).values()) == ["new"]
    file = find(syn, project, "data.csv")
    assert file.externalURL == "https://example.org/data.csv"
    assert list(sync(syn, directory, project, rows_of(row)).values()) == ["same"]


def test_a_file_with_an_invalid_name_is_stored_under_the_name_of_its_row(syn, project, directory):
    (directory.root / "é.csv").write_text("x")
    row = {"path": "é.csv", "parent": project, "name": "e.csv"}
    assert sync(syn, directory, project, rows_of(row)) == {"é.csv": "new"}
    assert find(syn, project, "e.csv").versionNumber == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"path": "raw.csv", "used": "clean.csv"}, {"path": "clean.csv", "used": "raw.csv"}],
         "use each other"),
        ([{"path": "missing.csv"}], "'missing.csv' \\(line 2\\)"),
        ([{"path": "/etc/passwd"}], "are not in"),
        ([{"path": "../secret"}], "are not in"),
        ([{"path": "raw.csv", "used": "nonsense"}], "Invalid used 'nonsense' of 'raw.csv'"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_stored_are_errors(syn, project, directory, rows, message):
    rows = rows_of(*({"parent": project} | row for row in rows))
    with pytest.raises(ManifestError, match=message):
        plan_upload(syn, directory, project, PlanOptions(), rows)


def test_an_id_of_another_entity_and_a_taken_name_are_refused(syn, project, directory):
    other = syn.store(Folder("clean.csv", parent=project)).id
    rows = rows_of(
        {"path": "raw.csv", "parent": project, "id": other},
        {"path": "clean.csv", "parent": project},
        {"path": "sub/plot.txt", "parent": project, "name": "raw.csv"},
    )
    plan = plan_upload(syn, directory, project, PlanOptions(), rows)
    assert plan.items == []
    assert plan.refused.keys() == {"raw.csv", "clean.csv", "sub/plot.txt"}


def test_a_written_manifest_reads_back_as_the_same(syn, project, directory, tmp_path):
    folder = syn.store(Folder("folder", parent=project))
    values = {"n": [1, 2], "text": ['a "b", c', "7"], "when": [MOMENT], "flag": [True]}
    activity = Activity("Make", "two\nlines", used=[folder.id, "https://example.org/a;b"])
    path = str(directory.root / "raw.csv")
    syn.store(File(path, parent=folder, annotations=values | {"path": "x"}), activity=activity)
    target = LocalDirectory(tmp_path / "target")
    plan = plan_download(syn, project, target, PlanOptions())
    apply_plan(syn, target, plan, ApplyOptions())
    manifest = tmp_path / "m.tsv"
    assert write_download_manifest(syn, target, plan, manifest) == 1
    with manifest.open(newline="") as file:
        (cells,) = csv.DictReader(file, delimiter="\t")
    assert cells["path"] == str(target.root / "folder/raw.csv")
    assert (cells["parent"], cells["activityDescription"]) == (folder.id, "two\nlines")
    assert cells["used"] == f"{folder.id}.1;https://example.org/a%3Bb"
    assert cells["synapseStore"] == "True"
    with manifest.open(newline="") as file:
        rows = read_manifest(file, "m.tsv")
    plan = plan_upload(syn, target, project, PlanOptions(), rows)
    assert [(one.path, one.action) for one in plan.items] == [("folder/raw.csv", "same")]


def test_files_that_are_not_in_the_manifest_are_not_extra(syn, project, directory):
    apply_plan(syn, directory, plan_upload(syn, directory, project, PlanOptions()), ApplyOptions())
    (directory.root / "clean.csv").unlink()
    found = sync(syn, directory, project, rows_of({"path": "raw.csv", "parent": ""}))
    assert found == {"raw.csv": "same", "clean.csv": "extra"}


@pytest.mark.parametrize(
    ("flag", "action"), [(None, "same"), ("", "same"), ("False", "same"), ("True", "changed")]
)
def test_an_external_file_with_the_same_md5_stays_external(syn, project, directory, flag, action):
    md5 = directory.compute_md5("raw.csv")
    url = f"https://example.org/{uuid4()}.csv"
    syn.store(File(url, parent=project, name="raw.csv", synapseStore=False, md5=md5))
    rows = (
        None if flag is None else rows_of({"path": "raw.csv", "parent": "", "synapseStore": flag})
    )
    plan = plan_upload(syn, directory, project, PlanOptions(), rows)
    assert {one.path: one.action for one in plan.items}["raw.csv"] == action


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"bad-key!": "1"}, "Invalid annotation name 'bad-key!'"),
        ({"concreteType": "x"}, "it is a property of the entity"),
        ({"long": "x" * 600}, "at most 500"),
        ({"name": "x/y"}, "invalid characters are '/'"),
    ],
)
def test_invalid_cells_are_refused_before_anything_is_changed(
    syn, project, directory, row, message
):
    rows = rows_of({"path": "raw.csv", "parent": ""} | row, {"path": "clean.csv", "parent": ""})
    plan = plan_upload(syn, directory, project, PlanOptions(), rows)
    assert message in plan.refused["raw.csv"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"used": "raw.csv"}, "the file itself"),
        ({"parent": "syn999999999"}, "Invalid parent syn999999999 in the manifest"),
    ],
)
def test_a_manifest_with_an_invalid_reference(syn, project, directory, row, message):
    rows = rows_of({"path": "raw.csv", "parent": ""} | row)
    with pytest.raises(ManifestError, match=message):
        plan_upload(syn, directory, project, PlanOptions(), rows)

"""Lineage coverage of a real project."""

import pytest

from synapse_workflows import (
    Activity,
    Column,
    EntityViewSchema,
    EntityViewType,
    File,
    Folder,
    Project,
    Schema,
    Table,
)
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError
from synapse_workflows.provenance.coverage import (
    CoverageReport,
    check_coverage,
    format_report,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PINNED = f"https://github.com/org/repo/blob/{COMMIT}/flow.py"
MOVING = "https://github.com/org/repo/blob/main/flow.py"


@pytest.fixture
def service(socket_service):
    """The service over a socket only."""
    return socket_service


@pytest.fixture
def store(syn, folder, make_file):
    """Return a function that stores a version of a file; returns its ID with the version."""

    def make(name, used=(), executed=(), parent=None, text=None):
        sources = list(used), list(executed)
        activity = Activity(f"make {name}", text, *sources) if any(sources) or text else None
        path = str(make_file(f"{name}.txt"))
        stored = syn.store(File(path, parent=parent or folder, name=name), activity=activity)
        return f"{stored.id}.{stored.versionNumber}"

    return make


def found(report):
    return [
        (finding.kind, [str(entity.ref) for entity in finding.entities], finding.source)
        for finding in report.findings
    ]


def test_complete_lineage_has_no_findings(syn, project, folder, store):
    inner = syn.store(Folder("inner", parent=folder))
    raw = store("raw", used=["https://host/raw.csv"], executed=[PINNED])
    store("result", used=[raw], executed=[PINNED], parent=inner)
    report = check_coverage(syn, project)
    assert report.findings == ()
    assert report.to_json() == {
        "container": f"{project.name} ({project.id})",
        "versions": 2,
        "with_activity": 2,
        "with_activity_percent": 100,
        "complete": 2,
        "complete_percent": 100,
        "sources": 3,
        "pinned": 3,
        "pinned_percent": 100,
        "unknown_urls": 1,
        "problems": 0,
        "findings": [],
        "notes": [],
    }
    text = format_report(report).splitlines()
    assert text[0] == f"Lineage coverage of {project.name} ({project.id}): 2 versions"
    assert "  versions with an Activity      2 of 2  (100 %)" in text
    assert "  URLs without a known version   1 (not checked)" in text


def test_each_kind_of_problem(syn, bob, project, folder, store):
    raw = store("raw")
    gone, trashed, older = store("gone"), store("trashed"), store("older")
    store("older")
    schema = syn.store(Schema("rows", [Column(name="n", columnType="INTEGER")], parent=project))
    table = f"{schema.id}.1"
    syn.setProvenance(schema.id, Activity("rows", used=[raw]))
    hidden = bob.store(Folder("hidden", parent=bob_project(bob, project)))
    used = [raw, gone, trashed, older, table, folder.id, f"{hidden.id}.1"]
    text = f"Not pinned: the query of host\nNot pinned: {table} is an open version: read at 9"
    bad = store("bad", used=used, executed=[MOVING], text=text)
    for missing in (gone, trashed):
        syn.delete(missing.partition(".")[0])
    syn.restPUT(f"/trashcan/purge/{gone.partition('.')[0]}")
    syn.delete(older.partition(".")[0], version=1)
    report = check_coverage(syn, project)
    assert found(report) == [
        ("no_activity", [older.replace(".1", ".2")], None),
        ("no_activity", [raw], None),
        ("unpinned_input", [bad], table),
        ("unpinned_input", [bad], f"{folder.id}.1"),
        ("moving_url", [bad], MOVING),
        ("missing_input", [bad], gone),
        ("missing_input", [bad], trashed),
        ("missing_input", [bad], older),
        ("recorded_gap", [bad], None),
        ("unreadable_input", [bad], f"{hidden.id}.1"),
    ]
    assert (report.versions, report.with_activity, report.complete) == (4, 2, 1)
    assert (report.sources, report.pinned, report.unknown_urls) == (9, 6, 0)
    assert len(report.problems) == len(report.findings) - 1
    text = format_report(report)
    assert f"\nNo Activity (2):\n  older ({older.replace('.1', '.2')})\n  raw ({raw})\n" in text
    assert f"  bad ({bad}): executed {MOVING}: follows 'main', whose content changes" in text
    assert f"  bad ({bad}): used {trashed}: is in the trash can" in text
    assert f"  bad ({bad}): used rows ({table}): is an open version, not a snapshot" in text
    assert f"  bad ({bad}): the query of host" in text
    assert report.to_json()["complete_percent"] == 25
    assert report.to_json()["findings"][-1]["source"] == f"{hidden.id}.1"


def bob_project(bob, project):
    return bob.store(Project(f"private {project.id}"))


def test_unreadable_source_is_no_problem(syn, bob, project, store):
    hidden = bob.store(Folder("hidden", parent=bob_project(bob, project)))
    store("result", used=[f"{hidden.id}.1"])
    report = check_coverage(syn, project)
    assert [finding.kind for finding in report.findings] == ["unreadable_input"]
    assert report.problems == ()
    assert report.complete == report.versions == 1


def test_sources_that_an_activity_does_not_list_are_a_gap(syn, folder, store):
    line = "Left out: 3 sources, because an Activity lists at most 2000"
    store("result", ["https://host/a"], text=line)
    (gap,) = check_coverage(syn, folder).problems
    assert (gap.kind, gap.text) == ("recorded_gap", line)


def test_findings_of_a_shared_activity_are_reported_once(syn, folder, store):
    one, two = store("one"), store("two")
    activity = syn.setProvenance(one.partition(".")[0], Activity("both", executed=[MOVING]))
    syn.setProvenance(two.partition(".")[0], activity)
    report = check_coverage(syn, folder)
    assert found(report) == [("moving_url", [one, two], MOVING)]
    assert (report.complete, report.sources, report.pinned) == (0, 1, 0)
    assert f"  one ({one}) and 1 more: executed {MOVING}" in format_report(report)


def test_older_versions_are_checked_on_request(syn, folder, store):
    first = store("file")
    store("file", used=["https://host/a"])
    assert check_coverage(syn, folder).findings == ()
    report = check_coverage(syn, folder, all_versions=True)
    assert found(report) == [("no_activity", [first], None)]
    assert report.versions == 2


def test_tables_and_views_are_checked_in_the_version_with_provenance(syn, project):
    """The open version of a view, and one of a table after a snapshot, have no Activity."""
    columns = [Column(name="n", columnType="INTEGER")]
    frozen, bare = (syn.store(Schema(n, columns, parent=project)) for n in ("frozen", "bare"))
    syn.store(Table(frozen, [[1]]))
    syn.create_snapshot_version(frozen.id, activity=Activity("freeze", used=["https://host/a"]))
    view = EntityViewSchema(
        "view", parent=project, scopes=[project.id], includeEntityTypes=[EntityViewType.FILE]
    )
    view = syn.store(view)
    report = check_coverage(syn, project)
    assert found(report) == [("no_activity", [f"{bare.id}.1"], None)]
    assert report.versions == 2
    number = syn.create_snapshot_version(view.id)
    report = check_coverage(syn, project)
    assert ("no_activity", [f"{view.id}.{number}"], None) in found(report)
    assert report.versions == 3


def test_container_may_be_a_single_entity_or_empty(syn, folder, store):
    report = check_coverage(syn, store("file"))
    assert (report.versions, report.with_activity) == (1, 0)
    empty = check_coverage(syn, syn.store(Folder("empty", parent=folder)))
    assert (empty.versions, empty.problems) == (0, ())
    assert empty.to_json()["with_activity_percent"] is None
    assert "0 of 0\n" in format_report(empty)


def test_percentage_of_almost_all_is_not_100():
    report = CoverageReport("p", 10_000, 9999, 1, sources=3, pinned=2, unknown_urls=0).to_json()
    assert report["with_activity_percent"] == 99.9
    assert report["complete_percent"] == 0.1
    assert report["pinned_percent"] == 66.7


def test_container_that_cannot_be_read_is_an_error(syn, bob, project, folder):
    with pytest.raises(SynapseForbiddenError):
        check_coverage(bob, project)
    with pytest.raises(SynapseNotFoundError):
        check_coverage(syn, "syn999999999")
    with pytest.raises(ValueError, match="Invalid Synapse ID 'nonsense'"):
        check_coverage(syn, "nonsense")
    syn.setPermissions(
        folder, syn.getUserProfile()["ownerId"], accessType=["READ", "CHANGE_PERMISSIONS"]
    )
    syn.setPermissions(project, bob.getUserProfile()["ownerId"], accessType=["READ"])
    assert check_coverage(bob, project).versions == 0

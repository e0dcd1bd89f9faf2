"""Walks along the provenance of real entities: sources, results, bounds and missing objects."""

from pathlib import Path
from random import Random

import pytest

from synapse_workflows import Activity, Column, File, Folder, Project, Schema, Table
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseForbiddenError,
    SynapseNotFoundError,
)
from synapse_workflows.provenance.record import EntityRef, UrlRef
from synapse_workflows.provenance.tree import render_tree
from synapse_workflows.provenance.walk import walk_provenance


@pytest.fixture
def service(socket_service):
    """The service over a socket only."""
    return socket_service


@pytest.fixture
def store(syn, folder, make_file):
    """Return a function that stores a version of a file with an Activity; returns its ID."""

    def make(name, used=(), executed=(), parent=None, **activity):
        path = str(make_file(f"{name}.txt"))
        sources = list(used), list(executed)
        made = Activity(
            activity.pop("title", f"make {name}"), activity.pop("text", None), *sources
        )
        stored = syn.store(
            File(path, parent=parent or folder, name=name), activity=made if any(sources) else None
        )
        return f"{stored.id}.{stored.versionNumber}"

    return make


def ref(text):
    return EntityRef.parse(text)


def names(graph):
    return sorted(entity.name for entity in graph.entities.values())


def test_sources_of_sources_have_exact_versions(syn, store):
    raw = store("raw")
    cleaned = store("cleaned", used=[raw], executed=["https://host/clean.py"])
    store("raw")  # a later version is no source
    model = store("model", used=[cleaned, "https://host/settings.yaml"])
    graph = walk_provenance(syn, model)
    assert graph.roots == (ref(model),)
    assert list(graph.entities) == [ref(model), ref(cleaned), ref(raw)]
    assert graph.bounded == frozenset()
    assert graph.notes == ()
    ids = graph.generated_by
    assert [str(one.ref) for one in graph.sources[ids[ref(model)]]] == [
        cleaned,
        "https://host/settings.yaml",
    ]
    (_, code) = graph.sources[ids[ref(cleaned)]]
    assert code.executed
    assert code.ref == UrlRef("https://host/clean.py", "https://host/clean.py")
    assert ref(raw) not in ids
    assert walk_provenance(syn, model.partition(".")[0]).to_json() == graph.to_json()


def test_each_version_is_read_once_and_headers_in_batches(in_process_client, calls, tmp_path):
    syn = in_process_client
    path = tmp_path / "data.txt"
    path.write_text("data")
    project = syn.store(Project(f"walk {tmp_path.name}"))
    raw = syn.store(File(str(path), parent=project, name="raw"))
    parts = [
        syn.store(File(str(path), parent=project, name=f"part {n}"), used=[raw]) for n in range(3)
    ]
    result = syn.store(File(str(path), parent=project, name="result"), used=parts)
    calls()
    walk_provenance(syn, result)
    made = [call.split()[:2] for call in calls()]
    assert [call for call in made if call[0] == "POST"] == [["POST", "/entity/header"]] * 3
    activities = [path for _, path in made if path.endswith("generatedBy")]
    assert len(activities) == len(set(activities)) == 5
    assert len(made) == 1 + 3 + 5


def test_cycle_ends(syn, store):
    first = store("first")
    second = store("second", used=[first])
    entity = syn.get(first.partition(".")[0], downloadFile=False)
    syn.setProvenance(entity, Activity("back", used=[second]))
    graph = walk_provenance(syn, second)
    assert names(graph) == ["first", "second"]
    assert len(graph.activities) == 2


def test_depth_is_a_bound_that_the_graph_states(syn, store):
    chain = [store("step 0")]
    for number in range(1, 5):
        chain.append(store(f"step {number}", used=[chain[-1]]))
    graph = walk_provenance(syn, chain[4], depth=2)
    assert names(graph) == ["step 2", "step 3", "step 4"]
    assert graph.bounded == {ref(chain[2])}
    assert graph.notes == (
        f"The depth of the walk is 2. The provenance continues at 1 version: {chain[2]}.",
    )
    assert walk_provenance(syn, chain[4], depth=4).notes == ()
    with pytest.raises(ValueError, match="Invalid depth 0: expected an integer of at least 1"):
        walk_provenance(syn, chain[4], depth=0)


@pytest.mark.parametrize("depth", [0, -1, True, 1.5, "3"])
def test_invalid_depth_is_an_error_before_any_request(syn, depth):
    with pytest.raises(ValueError, match=f"Invalid depth {depth!r}: expected an integer"):
        walk_provenance(syn, "syn999999999", depth=depth)
    with pytest.raises(ValueError, match=f"Invalid depth {depth!r}: expected an integer"):
        render_tree(syn, "syn999999999", depth=depth)


def test_depth_none_is_no_bound(syn, store):
    chain = [store("0")]
    for number in range(1, 12):
        chain.append(store(str(number), [chain[-1]]))
    assert not walk_provenance(syn, chain[-1], depth=None).bounded
    assert chain[0] in render_tree(syn, chain[-1], depth=None)


def test_missing_sources_are_marked(syn, bob, store, folder):
    private = bob.store(Project(f"private {folder.id}"))
    hidden = bob.store(Folder("hidden", parent=private))
    gone, trashed, older = store("gone"), store("trashed"), store("older")
    newer = store("older")
    assert newer == older.replace(".1", ".2")
    activity = Activity("mix", used=[gone, trashed, older, f"{hidden.id}.1"])
    result = store("result")
    syn.setProvenance(result.partition(".")[0], activity)
    syn.restDELETE(f"/entity/{gone.partition('.')[0]}")
    syn.restPUT(f"/trashcan/purge/{gone.partition('.')[0]}")
    syn.delete(trashed.partition(".")[0])
    syn.delete(older.partition(".")[0], version=1)
    found = walk_provenance(syn, result).entities
    assert found[ref(gone)].availability == "deleted"
    assert found[ref(trashed)].availability == "trashed"
    assert found[ref(older)].availability == "version_deleted"
    assert found[ref(older)].name == "older"
    assert found[EntityRef(hidden.id, 1)].availability == "unreadable"
    assert found[ref(result)].is_available


def test_root_that_cannot_be_read_is_an_error(syn, bob, client_of, store):
    file = store("file")
    with pytest.raises(SynapseForbiddenError):
        walk_provenance(bob, file)
    with pytest.raises(SynapseAuthenticationError):
        walk_provenance(client_of(None), file)
    with pytest.raises(SynapseNotFoundError):
        walk_provenance(syn, "syn999999999")
    with pytest.raises(SynapseNotFoundError):
        walk_provenance(syn, file, version=7)
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        walk_provenance(syn, "nonsense")


def test_anonymous_walk_marks_private_sources(syn, client_of, store, folder):
    private = syn.store(Folder("private", parent=folder))
    source = store("source", parent=private)
    result = store("result", used=[source])
    syn.setPermissions(
        private,
        syn.getUserProfile()["ownerId"],
        accessType=["READ", "UPDATE", "CHANGE_PERMISSIONS", "CREATE", "DELETE"],
    )
    syn.setPermissions(folder, "PUBLIC", accessType=["READ"])
    graph = walk_provenance(client_of(None), result)
    assert graph.entities[ref(source)].availability == "unreadable"
    assert graph.entities[ref(result)].name == "result"


def test_open_versions_of_tables_are_marked(syn, project, store):
    schema = syn.store(Schema("rows", [Column(name="n", columnType="INTEGER")], parent=project))
    syn.store(Table(schema, [[1]]))
    number = syn.create_snapshot_version(schema.id)
    result = store("result", used=[f"{schema.id}.{number}", f"{schema.id}.{number + 1}"])
    found = walk_provenance(syn, result).entities
    assert not found[EntityRef(schema.id, number)].is_open
    assert found[EntityRef(schema.id, number + 1)].is_open


def test_details_contain_the_content_of_files(syn, store, make_file):
    source = store("source")
    found = walk_provenance(syn, store("result", used=[source]), details=True).entities[
        ref(source)
    ]
    entity = syn.get(source)
    assert found.content.md5 == entity.md5
    assert found.content.size == Path(entity.path).stat().st_size
    assert found.to_json()["md5"] == entity.md5


def test_no_credentials_of_activities_are_in_the_graph(syn, store):
    url = "https://user:q7Zx@host/a?X-Amz-Signature=q7Zx"
    result = store("result", used=[url], executed=[url], title=f"from {url}", text=f"see {url}")
    graph = walk_provenance(syn, result)
    assert "q7Zx" not in repr(graph)
    assert "https://host/a" in repr(graph)


def test_results_are_found_in_the_project(syn, store, folder, project):
    """Synapse has no reverse lookup, so the graph says where it was searched."""
    raw = store("raw")
    cleaned = store("cleaned", used=[raw])
    inner = syn.store(Folder("inner", parent=folder))
    model = store("model", used=[cleaned], executed=["https://host/a.py"], parent=inner)
    store("model", used=["https://host/other"], parent=inner)  # the older version is found
    store("raw")
    other = store("other", used=[raw.replace(".1", ".2")])  # made from another version
    graph = walk_provenance(syn, raw, direction="downstream")
    assert names(graph) == ["cleaned", "model", "raw"]
    assert graph.generated_by.keys() == {ref(cleaned), ref(model)}
    (note,) = graph.notes
    place = f"{project.name} ({project.id}, 4 entities, 6 versions)"
    assert note.startswith(f"Versions made from {raw} were searched in {place}: Synapse has no")
    assert ref(other) not in graph.entities
    short = walk_provenance(syn, raw, direction="downstream", depth=1)
    assert names(short) == ["cleaned", "raw"]
    assert short.bounded == {ref(cleaned)}
    small = walk_provenance(syn, raw, direction="downstream", within=inner)
    assert names(small) == ["raw"]


def test_all_results_of_an_activity_are_found(syn, store, project):
    raw = store("raw")
    elsewhere = syn.store(Project(f"elsewhere {project.id}"))
    one, two = store("one"), store("two", parent=elsewhere)
    activity = syn.setProvenance(one.partition(".")[0], Activity("both", used=[raw]))
    syn.setProvenance(two.partition(".")[0], activity)
    graph = walk_provenance(syn, raw, direction="both")
    assert graph.generated_by == {ref(one): activity["id"], ref(two): activity["id"]}
    assert names(graph) == ["one", "raw", "two"]


def test_progress_counts_requests(syn, store):
    seen = []
    walk_provenance(
        syn, store("b", used=[store("a")]), progress=lambda done, known: seen.append((done, known))
    )
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("seed", range(2))
def test_walks_of_a_random_graph_equal_reachability(syn, store, seed):
    """Upstream and downstream, for each version; the graph has cycles."""
    random = Random(seed)  # noqa: S311 - no secrets
    refs = [store(f"{seed} file {number}") for number in range(8)]
    sources = {}
    for ref_, chosen in ((one, random.sample(refs, random.randint(0, 3))) for one in refs):
        if chosen:
            sources[ref_] = set(chosen)
            syn.setProvenance(ref_.partition(".")[0], Activity(f"make {ref_}", used=chosen))
    results = {one: {each for each, used in sources.items() if one in used} for one in refs}

    def reach(start, edges):
        found, level = {start}, {start}
        while level:
            level = {one for each in level for one in edges.get(each, ())} - found
            found |= level
        return found

    def read(start, direction):
        graph = walk_provenance(syn, start, direction=direction, depth=20)
        assert graph.bounded == frozenset()
        return graph

    for start in refs:
        upstream = reach(start, sources)
        graph = read(start, "upstream")
        assert set(map(str, graph.entities)) == upstream
        assert set(map(str, graph.generated_by)) == upstream & sources.keys()
    for start in random.sample(refs, 3):
        made = reach(start, results) - {start}
        assert set(map(str, read(start, "downstream").generated_by)) - {start} == made

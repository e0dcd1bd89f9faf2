"""RO-Crates of any provenance are consistent: unique IDs, and no reference to a missing entity."""

from hypothesis import given, strategies as st

from synapse_workflows.constants import FILE, FOLDER, TABLE
from synapse_workflows.provenance.exported_provenance import ExportedProvenance, User
from synapse_workflows.provenance.provenance_graph import EntityVersion, ProvenanceGraph
from synapse_workflows.provenance.record import EntityRef
from synapse_workflows.provenance.run_crate import build_crate

TIME = "2026-11-22T10:00:00.000Z"
TEXTS = st.text(max_size=12)
URLS = st.one_of(
    st.tuples(
        st.sampled_from(["https://h", "https://h/", "s3://b/", "file:///", "x:", "", "//"]), TEXTS
    ).map("".join),
    st.sampled_from(
        [
            "workflow.cwl", "./", "#run", "run", "activity-1", "ro-crate-metadata.json",
            "https://[bad", "docker://a", "https://repo/activity/1",
            "https://repo/entity/syn2/version/1/file",
            "https://portal/Profile:1", "https://h/v2/n/manifests/latest",
            f"file:///a.py#sha256={'a' * 64}", f"git+https://h/o/r@{'b' * 40}#a/b.py",
        ]
    ),
)  # fmt: skip


def iter_references(value):
    if isinstance(value, dict):
        if value.keys() == {"@id"}:
            yield value["@id"]
        for each in value.values():
            yield from iter_references(each)
    elif isinstance(value, list):
        for each in value:
            yield from iter_references(each)


@given(
    urls=st.lists(st.tuples(URLS, TEXTS, st.booleans()), max_size=6),
    concrete_type=st.sampled_from([FILE, FOLDER, TABLE, None]),
    executed=st.booleans(),
    name=TEXTS,
)
def test_any_provenance_gives_a_consistent_crate(urls, concrete_type, executed, name):
    root, source = EntityRef("syn1", 1), EntityRef("syn2", 1)
    used = [{"url": url, "name": label, "wasExecuted": code} for url, label, code in urls]
    reference = {"targetId": "syn2", "targetVersionNumber": 1}
    used.append({"reference": reference, "wasExecuted": executed})
    activity = {"id": "1", "name": name, "description": name, "used": used, "createdBy": "1"}
    graph = ProvenanceGraph(
        (root,),
        {
            root: EntityVersion(root, name=name, concrete_type=FILE, modified_on=TIME),
            source: EntityVersion(source, name=name, concrete_type=concrete_type),
        },
        {"1": activity},
        {root: "1"},
    )
    provenance = ExportedProvenance(
        graph, {"1": User("1", name)}, "https://portal", "https://repo"
    )
    crate = build_crate(provenance)
    document = crate.metadata.generate()
    assert document == build_crate(provenance).metadata.generate()
    ids = [entity["@id"] for entity in document["@graph"]]
    assert len(set(ids)) == len(ids)
    known = {*ids, "https://w3id.org/ro/crate/1.1"}
    external = ("https://bioschemas.org/", "https://www.commonwl.org/", "https://w3id.org/")
    references = set(iter_references(document["@graph"]))
    assert {one for one in references - known if not one.startswith(external)} == set()
    actions = {one["@id"]: one for one in document["@graph"] if one["@type"] == "CreateAction"}
    assert actions.keys() == {"#run", "#activity-1"}
    assert actions["#run"]["instrument"] == {"@id": "workflow.cwl"}
    assert actions["#activity-1"]["result"] == {"@id": "https://repo/entity/syn1/version/1/file"}

"""PROV documents: what they state, in a form that other programs read without a loss."""

import pytest
from hypothesis import given, strategies as st
from prov.model import ProvDocument
from support.provenance_story import COMMIT, IMAGE, PAGE, SECRET, store_story

from synapse_workflows import Activity, File
from synapse_workflows.provenance.exported_provenance import (
    ExportedProvenance,
    User,
    read_provenance,
)
from synapse_workflows.provenance.prov_document import (
    build_document,
    serialize_prov_json,
    serialize_prov_n,
)
from synapse_workflows.provenance.provenance_graph import EntityVersion, ProvenanceGraph
from synapse_workflows.provenance.record import EntityRef


def check_document(document):
    """Check that both serializations give the document back, and that its records are valid."""
    texts = serialize_prov_json(document), serialize_prov_n(document)
    read = (
        ProvDocument.deserialize(content=texts[0], format="json"),
        ProvDocument.deserialize(content=texts[1], format="provn", profile="strict"),
    )
    assert read == (document, document)
    # merges records with the same name; incompatible types or times are an error
    assert len(document.unified().get_records()) == len(document.get_records())
    return texts


@pytest.fixture
def service(socket_service):
    """The service over a socket only: documents do not depend on the transport."""
    return socket_service


@pytest.fixture(scope="module")
def story(socket_service, tmp_path_factory):
    with socket_service.client("alice") as syn:
        return store_story(syn, tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="module")
def document(socket_service, story):
    with socket_service.client("alice") as syn:
        return build_document(read_provenance(syn, story.report))


def statements(document, kind):
    """The statements of one kind, as PROV-N without namespaces of hosts."""
    return [
        text
        for text in (one.get_provn() for one in document.get_records())
        if text.startswith(kind)
    ]


def test_a_document_survives_a_round_trip_and_has_no_secrets(document):
    for text in check_document(document):
        assert SECRET not in text


def test_versions_have_generations_derivations_revisions_and_their_users(document, story):
    cleaned = f"synapse:{story.cleaned}"
    (generation,) = [one for one in statements(document, "wasGeneratedBy") if cleaned in one]
    assert generation.startswith(f"wasGeneratedBy({cleaned}, activity:")
    derivations = [one for one in statements(document, "wasDerivedFrom") if f"({cleaned}," in one]
    assert len(derivations) == 4
    assert any(f"({cleaned}, synapse:{story.raw}," in one for one in derivations)
    assert not any(f"synapse:{story.code}" in one for one in derivations)
    revision = f"wasDerivedFrom(synapse:{story.report}, synapse:{story.first_report}, -, -, -, "
    assert any(one.startswith(revision) for one in statements(document, "wasDerivedFrom"))
    assert any(
        cleaned in one and "user:" in one for one in statements(document, "wasAttributedTo")
    )
    # the origin of raw data is not known; its time is
    raw = [
        one for one in statements(document, "wasGeneratedBy") if f"(synapse:{story.raw}," in one
    ]
    assert raw[0].startswith(f"wasGeneratedBy(synapse:{story.raw}, -, 20")


def test_entities_have_their_version_checksum_and_type(document, story):
    (raw,) = [one for one in statements(document, "entity") if f"(synapse:{story.raw}," in one]
    for part in (
        "prov:type='model:org/sagebionetworks/repo/model/FileEntity.html'",
        'prov:label="raw.csv"',
        "schema:version=1",
        "schema:contentSize=8",
        'wfrun:md5="e5ebd4c02cefbe7955977c67ada242b7"',
        f'/Synapse:{story.raw}" %% xsd:anyURI',
    ):
        assert part in raw


def test_code_is_the_plan_of_an_association_and_airflow_acts_for_the_user(document, story):
    associations = statements(document, "wasAssociatedWith")
    assert any(f"package:apache-airflow, synapse:{story.code})" in one for one in associations)
    assert any("package:apache-airflow, url" in one and "etl.py" in one for one in associations)
    assert any(
        "user:" in one and f"lab/etl/blob/{COMMIT}/dags/etl.py)" in one for one in associations
    )
    plans = [one for one in statements(document, "entity") if "prov:type='prov:Plan'" in one]
    assert len(plans) == 4
    (delegation,) = statements(document, "actedOnBehalfOf")
    assert delegation.startswith("actedOnBehalfOf(package:apache-airflow, user:")


def test_names_of_urls_are_the_urls(document):
    names = {record.identifier.uri for record in document.get_records() if record.is_element()}
    assert {PAGE, IMAGE, "https://example.org", "postgresql://db/lab"} <= names
    assert "https://example.org/a%20b/data.csv" in names
    assert "s3://bucket/key'(1),50%25=x;.csv" in names


def test_an_activity_that_used_its_own_result_is_no_derivation_from_itself(syn, folder, make_file):
    file = syn.store(File(str(make_file()), parent=folder))
    syn.setProvenance(file, Activity("loop", used=[file]))
    document = build_document(read_provenance(syn, file))
    check_document(document)
    assert statements(document, "wasDerivedFrom") == []
    (used,) = statements(document, "used")
    assert f"synapse:{file.id}.1" in used


TEXTS = st.text(max_size=20)
URLS = st.one_of(
    st.tuples(st.sampled_from(["https://h/", "s3://b/", "file:///", "x:", "", "//"]), TEXTS).map(
        "".join
    ),
    st.sampled_from(["https://", "a", "git+https://h/o/r@c#a/b.py", "jdbc:x://h;p=1", "-.", "%"]),
)


@given(
    urls=st.lists(st.tuples(URLS, TEXTS, st.booleans()), max_size=4),
    name=TEXTS,
    description=TEXTS,
    user=TEXTS,
)
def test_any_text_gives_a_document_that_survives_a_round_trip(urls, name, description, user):
    root = EntityRef("syn1", 1)
    used = [{"url": url, "name": label, "wasExecuted": executed} for url, label, executed in urls]
    activity = {
        "id": "1",
        "name": name,
        "description": description,
        "used": used,
        "createdBy": "1",
    }
    graph = ProvenanceGraph(
        (root,), {root: EntityVersion(root, name=name)}, {"1": activity}, {root: "1"}
    )
    document = build_document(
        ExportedProvenance(graph, {"1": User("1", user)}, "https://portal", "https://repo")
    )
    check_document(document)

"""Copies of real entities with `Synapse.copy`: what is copied, and what is refused."""

import re

import pytest

from synapse_workflows import (
    Activity,
    Column,
    Dataset,
    DockerRepository,
    EntityViewSchema,
    File,
    Folder,
    Link,
    Project,
    Schema,
    Table,
)
from synapse_workflows.client.errors import (
    SynapseError,
    SynapseForbiddenError,
    SynapseNameConflictError,
    SynapseNotFoundError,
    SynapseUnmetAccessRestrictions,
)
from synapse_workflows.client.model.schemas import MaterializedView


@pytest.fixture
def syn(socket_client):
    """A client of alice over a socket."""
    return socket_client


@pytest.fixture
def service(socket_service):
    """The service over a socket only."""
    return socket_service


@pytest.fixture
def target(syn, project):
    """An empty project."""
    return syn.store(Project(f"{project.name} copy"))


@pytest.fixture
def file(syn, folder, make_file):
    """A file with two versions, annotations and an Activity."""
    path = make_file()
    syn.store(File(str(path), parent=folder, name="data", description="text"))
    path.write_text(f"second {folder.id}")
    annotations = {"number": [1, 2], "text": "x", "fraction": 0.5, "yes": True}
    return syn.store(
        File(str(path), parent=folder, name="data", annotations=annotations),
        activity=Activity("made", used="https://example.org"),
    )


def get(syn, copied, source):
    return syn.get(copied[source.id], downloadFile=False)


def test_copy_of_a_file(syn, events, file, target):
    events.clear()
    copied = syn.copy(file, target)
    assert list(copied) == [file.id]
    copy = syn.get(copied[file.id], downloadLocation=None)
    assert copy.parentId == target.id
    assert copy.versionNumber == 1
    assert copy.dataFileHandleId != file.dataFileHandleId
    assert (copy.name, copy.description, copy.md5) == (file.name, "text", file.md5)
    assert copy.annotations == file.annotations
    activity = syn.getProvenance(copy)
    assert activity["name"] == f"Copy of {file.id}.2"
    (used,) = activity["used"]
    assert used["reference"] == {"targetId": file.id, "targetVersionNumber": 2}
    read, wrote = events[:2]
    assert (read.entity_id, read.version, read.how) == (file.id, 2, "copy")
    assert (wrote.entity_id, wrote.md5, wrote.activity_id) == (copy.id, file.md5, activity["id"])


def test_copy_of_a_version_under_another_name(syn, file, target):
    first = syn.get(file.id, version=1, downloadFile=False)
    by_number = get(syn, syn.copy(file, target, version=1, name="one"), file)
    by_id = get(syn, syn.copy(f"{file.id}.1", target, name="two"), file)
    assert (by_number.name, by_id.name) == ("one", "two")
    assert by_number.md5 == by_id.md5 == first.md5 != file.md5
    assert by_number.annotations == {}


def test_copy_links_the_existing_activity_or_none(syn, bob, file, folder, target):
    first = get(syn, syn.copy(file, target, provenance="existing"), file)
    assert syn.getProvenance(first)["id"] == syn.getProvenance(file)["id"]
    inner = syn.store(Folder("inner", parent=target))
    second = get(syn, syn.copy(file, inner, provenance="none"), file)
    with pytest.raises(SynapseNotFoundError):
        syn.getProvenance(second)
    syn.setPermissions(folder, bob.getUserProfile()["ownerId"], warn_if_inherits=False)
    own = bob.store(Project(f"{target.name} of bob"))
    copied = bob.copy(file.id, own, provenance="existing")
    assert bob.getProvenance(copied[file.id])["id"] == syn.getProvenance(file)["id"]


def test_activity_of_a_copy_has_further_inputs_and_code(syn, file, folder, target):
    code = "https://example.org/copy.py"
    activity = {"name": "copied", "used": folder, "executed": [code]}
    copy_id = syn.copy(file, target, activity=activity)[file.id]
    found = syn.getProvenance(copy_id)
    assert str(found) == f"copied\nExecuted:\n  {code}\nUsed:\n  {file.id}.2\n  {folder.id}.1"


def test_annotations_can_be_left_out(syn, file, target):
    copy = get(syn, syn.copy(file, target, copy_annotations=False), file)
    assert copy.annotations == {}


def test_copy_of_an_external_file(syn, folder, target):
    url = "https://example.org/data.csv"
    file = syn.store(File(url, parent=folder, synapseStore=False, contentType="text/csv"))
    copy = get(syn, syn.copy(file, target), file)
    assert (copy.externalURL, copy.contentType) == (url, "text/csv")
    assert syn.copy(file, target) == {file.id: copy.id}


def test_copy_goes_to_the_storage_location_of_the_destination(syn, bob, file, folder, target):
    bucket = f"copies-{target.id}"
    location = syn.createStorageLocationSetting("ExternalS3Storage", bucket=bucket)
    number = location["storageLocationId"]
    syn.setStorageLocation(target, number)
    copy = get(syn, syn.copy(file, target), file)
    assert copy._file_handle["storageLocationId"] == number
    assert syn.copy(file, target) == {file.id: copy.id}
    left = get(syn, syn.copy(file, target, name="left", storage="source"), file)
    assert left._file_handle["storageLocationId"] == file._file_handle["storageLocationId"]
    syn.setPermissions(folder, bob.getUserProfile()["ownerId"], warn_if_inherits=False)
    rights = ["READ", "DOWNLOAD", "CREATE", "UPDATE"]
    syn.setPermissions(target, bob.getUserProfile()["ownerId"], rights)
    with pytest.raises(SynapseForbiddenError, match="Pass storage='source'"):
        bob.copy(file.id, target.id, name="bob")
    assert bob.copy(file.id, target.id, name="bob", storage="source")


@pytest.fixture
def full_project(syn, project, folder, file):
    """A project with entities of all types that refer to each other."""
    inner = syn.store(Folder("inner", parent=folder, note="kept", description="inner folder"))
    columns = [
        Column(name="key", columnType="STRING"),
        Column(name="file", columnType="FILEHANDLEID"),
        Column(name="when", columnType="DATE"),
        Column(name="many", columnType="INTEGER_LIST"),
    ]
    schema = syn.store(Schema("table", columns=columns, parent=inner))
    handle = file.dataFileHandleId
    rows = [['quoted "text", \\ and\nlines', handle, 5, [1, 2]], [None, None, None, None]]
    syn.store(Table(schema, rows))
    syn.store(Link(inner, parent=project))
    syn.store(Link(file, file.versionNumber, parent=inner))
    view = EntityViewSchema("view", parent=project, scopes=[folder], addAnnotationColumns=False)
    syn.store(view)
    items = [{"entityId": file.id, "versionNumber": file.versionNumber}]
    syn.store(Dataset("dataset", parent=project, dataset_items=items))
    sql = f"select key from {schema.id} where key is not null"
    syn.store(MaterializedView("a materialized view", parent=project, definingSQL=sql))
    return project


def test_copy_of_a_project_refers_to_its_own_entities(syn, full_project, folder, target):
    copied = syn.copy(full_project, target, provenance="existing")
    walked = [one for step in syn.walk(full_project) for one in (*step.folders, *step.entities)]
    assert {one.id for one in walked} | {full_project.id} == set(copied)
    assert copied.pop(full_project.id) == target.id
    listed = [one for step in syn.walk(target) for one in (*step.folders, *step.entities)]
    assert sorted(one.id for one in listed) == sorted(copied.values())
    by_name = {one.name: one.id for one in listed}
    view = syn.get(by_name["view"])
    assert [str(one).removeprefix("syn") for one in view.scopeIds] == [copied[folder.id][3:]]
    for one in listed:
        text = str(syn.restGET(f"/entity/{one.id}"))
        assert not set(re.findall(r"syn\d+", text)) & set(copied), text
    rows = syn.tableQuery(f"select * from {by_name['table']}").asDataFrame()
    assert rows["key"].tolist()[0] == 'quoted "text", \\ and\nlines'
    (handle, _) = rows["file"].tolist()
    original = next(one.id for one in walked if one.name == "table")
    kept = syn.tableQuery(f"select * from {original}").asDataFrame()
    assert int(handle) != int(kept["file"].tolist()[0])
    assert rows.drop(columns="file").equals(kept.drop(columns="file").set_axis(rows.index))


def test_second_copy_makes_nothing(syn, full_project, target):
    first = syn.copy(full_project, target)
    count = sum(1 for _ in syn.walk(target))
    etags = {one: syn.restGET(f"/entity/{one}")["etag"] for one in first.values()}
    assert syn.copy(full_project, target) == first
    assert {one: syn.restGET(f"/entity/{one}")["etag"] for one in first.values()} == etags
    assert sum(1 for _ in syn.walk(target)) == count


def test_types_can_be_excluded(syn, full_project, target):
    excluded = ["folder", "table", "entityview", "dataset", "materializedview"]
    syn.copy(full_project, target, exclude_types=excluded)
    (step,) = syn.walk(target)
    assert [one.name for one in step.entities] == ["inner"]
    assert syn.get(step.entities[0].id).linksTo["targetId"] != target.id


def test_docker_repositories_are_skipped(syn, verbose_client, log_messages, project, target):
    repository = syn.store(DockerRepository("example.org/copies", parent=project))
    assert verbose_client.copy(project, target) == {project.id: target.id}
    assert f"Docker repositories cannot be copied; skipping {repository.id}" in log_messages
    with pytest.raises(ValueError, match="it is a Docker repository"):
        syn.copy(repository, target)


def test_parallel_copies_of_a_table_end_with_one_copy(syn, in_parallel, project, target):
    """A copy that another one interrupts has an error after which a retry helps."""
    schema = syn.store(Schema("t", [Column(name="n", columnType="INTEGER")], parent=project))
    syn.store(Table(schema, [[1], [2]]))

    def copy(client, _):
        try:
            return client.copy(schema, target)
        except SynapseError as error:
            return error

    errors = [one for one in in_parallel(copy, 3) if isinstance(one, SynapseError)]
    assert [one for one in errors if "another copy of the same table" not in str(one)] == []
    copied = syn.copy(schema, target)
    (step,) = syn.walk(target)
    assert [one.id for one in step.entities] == [copied[schema.id]]
    rows = syn.tableQuery(f"select n from {copied[schema.id]}").asDataFrame()
    assert rows["n"].tolist() == [1, 2]


def test_copy_of_a_snapshot_has_its_rows(syn, project, target):
    schema = syn.store(Schema("t", [Column(name="n", columnType="INTEGER")], parent=project))
    syn.store(Table(schema, [[1]]))
    number = syn.create_snapshot_version(schema)
    syn.store(Table(schema, [[2]]))
    copied = syn.copy(schema, target, version=number)
    query = f"select n from {copied[schema.id]}"
    assert syn.tableQuery(query).asDataFrame()["n"].tolist() == [1]
    reference = syn.getProvenance(copied[schema.id])["used"][0]["reference"]
    assert reference == {"targetId": schema.id, "targetVersionNumber": number}
    with pytest.raises(SynapseNameConflictError, match="'t'"):
        syn.copy(schema, target)


def test_names_that_are_used_are_conflicts_before_anything_is_copied(
    syn, file, folder, target, make_file
):
    other = syn.store(Folder("data", parent=target))
    taken = syn.store(File(str(make_file()), parent=other, name="data"))
    with pytest.raises(SynapseNameConflictError, match=rf"'data' \({taken.id}\)"):
        syn.copy(folder, target)
    with pytest.raises(SynapseNameConflictError, match=rf"'data' \({other.id}\)"):
        syn.copy(file, target, update_existing=True)
    with pytest.raises(SynapseNameConflictError, match=rf"'data' \({file.id}\)"):
        syn.copy(file, folder)
    assert [one["id"] for one in syn.getChildren(other)] == [taken.id]


def test_existing_files_are_updated_on_request(syn, file, folder, target, make_file):
    other = syn.store(Folder("data", parent=target))
    taken = syn.store(File(str(make_file()), parent=other, name="data", own="x"))
    copied = syn.copy(folder, target, update_existing=True)
    assert copied == {folder.id: other.id, file.id: taken.id}
    updated = syn.get(taken.id, downloadFile=False)
    assert (updated.versionNumber, updated.md5) == (2, file.md5)
    assert updated.annotations == file.annotations
    assert syn.copy(folder, target, update_existing=True) == copied
    assert syn.get(taken.id, downloadFile=False).etag == updated.etag


def test_destination_inside_the_source(syn, project, folder):
    inner = syn.store(Folder("inner", parent=folder))
    for source, destination in [(project, inner), (folder, inner), (folder, folder)]:
        with pytest.raises(ValueError, match=f"it is inside {source.id}, which is copied"):
            syn.copy(source, destination)
    assert list(syn.getChildren(inner)) == []


def test_invalid_arguments(syn, file, folder, target):
    for options, message in [
        ({"provenance": "traceback"}, "Invalid provenance 'traceback': expected one of 'source'"),
        ({"storage": "s3"}, "Invalid storage 's3'"),
        ({"exclude_types": "file"}, "Invalid exclude_types 'file'"),
        ({"exclude_types": None}, "Invalid exclude_types None: expected a list"),
        ({"version": "latest"}, "Invalid version number 'latest'"),
        ({"name": "a/b"}, "Invalid name 'a/b' of the copy"),
        ({"name": 5}, "Invalid name 5 of the copy: it is not a string"),
        ({"activity": "made"}, "Invalid activity 'made': expected an Activity, or a dict of name"),
        ({"activity": {"use": "syn1"}}, "Invalid activity {'use': 'syn1'}: expected an"),
        ({"activity": {"used": "x"}}, "Invalid Synapse ID 'x'"),
    ]:
        with pytest.raises(ValueError, match=message):
            syn.copy(file, target, **options)
    with pytest.raises(ValueError, match="only a version of a file or table can be copied"):
        syn.copy(folder, target, version=1)
    with pytest.raises(ValueError, match="a file cannot contain other entities"):
        syn.copy(folder, file)
    with pytest.raises(ValueError, match="Omit the name"):
        syn.copy(target, folder, name="x")
    with pytest.raises(SynapseNotFoundError):
        syn.copy(file, target, version=9)
    assert list(syn.getChildren(target)) == []


def test_missing_permissions_are_errors_before_anything_is_copied(
    syn, bob, file, folder, project, target
):
    own = bob.store(Project(f"{target.name} of bob"))
    with pytest.raises(SynapseForbiddenError):
        bob.copy(folder.id, own)
    user = bob.getUserProfile()["ownerId"]
    syn.setPermissions(project, user, ["READ"])
    with pytest.raises(SynapseForbiddenError, match=f"No permission to download {file.id}"):
        bob.copy(folder.id, own)
    assert list(bob.getChildren(own)) == []
    syn.setPermissions(target, user, ["READ"])
    with pytest.raises(SynapseForbiddenError, match=f"No permission to create .* {target.id}"):
        bob.copy(own, target.id)


def test_unmet_restrictions_are_errors_before_anything_is_copied(
    syn, bob, folder, project, make_file
):
    locked = syn.store(File(str(make_file()), parent=folder), isRestricted=True)
    syn.store(File(str(make_file("free.txt")), parent=folder))
    syn.setPermissions(project, bob.getUserProfile()["ownerId"], ["READ", "DOWNLOAD"])
    own = bob.store(Project(f"{project.name} of bob"))
    with pytest.raises(SynapseUnmetAccessRestrictions, match=locked.id):
        bob.copy(folder.id, own)
    assert list(bob.getChildren(own)) == []


def test_copies_of_tables_have_equal_cells(syn, project, target):
    columns = [
        Column(name="text", columnType="LARGETEXT"),
        Column(name="number", columnType="DOUBLE"),
    ]
    schema = syn.store(Schema("cells", columns, parent=project))
    rows = [['"quoted", \\ and\r\nlines', float("nan")], ["", None], [None, float("inf")]]
    syn.store(Table(schema, rows))
    empty = syn.store(Schema("empty", columns, parent=project))
    none = syn.store(Schema("no columns", parent=project))
    copied = syn.copy(project, target)
    copy = list(syn.tableQuery(f"select * from {copied[schema.id]}"))
    assert repr([row[2:] for row in copy]) == repr(rows)
    assert list(syn.tableQuery(f"select * from {copied[empty.id]}")) == []
    assert syn.get(copied[none.id]).name == "no columns"
    assert syn.copy(project, target) == copied
    syn.store(Table(copied[empty.id], [["other", 1.0]]))
    with pytest.raises(SynapseNameConflictError, match="'empty'"):
        syn.copy(project, target)

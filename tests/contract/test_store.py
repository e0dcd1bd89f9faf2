"""Tests of storing entities: creation, update, versions, uploads, requests and errors."""

import hashlib
import os
import pickle
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from requests.adapters import BaseAdapter

from synapse_workflows import Activity, Entity, File, Folder, Link, Project
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseError,
    SynapseFileNotFoundError,
    SynapseForbiddenError,
    SynapseMalformedEntityError,
    SynapseMd5MismatchError,
    SynapseNotFoundError,
    SynapseProvenanceError,
    SynapseStaleError,
)
from synapse_workflows.constants import FILE, FOLDER


def md5(path) -> str:
    return hashlib.md5(Path(path).read_bytes()).hexdigest()


def touch(path: Path) -> None:
    """Set a later modification time."""
    stat = path.stat()
    os.utime(path, (stat.st_atime, stat.st_mtime + 5))


@pytest.fixture
def path(make_file) -> Path:
    return make_file()


@pytest.fixture
def file(syn, folder, path):
    return syn.store(File(str(path), parent=folder, colour="blue"))


def test_store_returns_new_file_as_stored(syn, folder, path):
    stored = syn.store(File(str(path), parent=folder, colour="blue", description="d"))
    assert type(stored) is File
    assert (stored.name, stored.parentId, stored.description) == ("data.txt", folder.id, "d")
    assert (stored.versionNumber, stored.versionLabel, stored.colour) == (1, "1", ["blue"])
    assert (stored.path, stored.files, stored.cacheDir) == (
        str(path),
        ["data.txt"],
        str(path.parent),
    )
    assert (stored.md5, stored.fileSize) == (md5(path), path.stat().st_size)
    assert syn.get(stored.id, downloadFile=False).properties == stored.properties


def test_store_does_not_modify_argument(syn, folder, path):
    given = File(str(path), parent=folder, colour="blue")
    before = pickle.dumps(given)
    syn.store(given)
    assert pickle.dumps(given) == before


def test_store_updates_projects_folders_and_links_by_name(syn, project, file):
    again = syn.store(Project(project.name, description="d", colour="red"))
    assert (again.id, again.description, again.colour) == (project.id, "d", ["red"])
    kept = syn.store(Project(project.name, size=3))
    assert kept.annotations == {"colour": ["red"], "size": [3]}
    link = syn.store(Link(file, parent=project))
    assert (link.name, link.linksToClassName) == ("data.txt", FILE)
    assert syn.store(Link(file, 1, parent=project)).id == link.id


def test_store_of_existing_folder_by_name_updates_its_description(syn, project):
    first = syn.store(Folder("f", parent=project, description="first"))
    second = syn.store(Folder("f", parent=project, description="second"))
    assert (second.id, second.description) == (first.id, "second")
    assert syn.get(first.id).description == "second"


def test_store_without_create_or_update_rejects_existing_name(syn, folder, project, path, file):
    for again in (Folder("data", parent=project), File(str(path), parent=folder)):
        with pytest.raises(SynapseConflictError, match="already exists with a parentId") as caught:
            syn.store(again, createOrUpdate=False)
        assert caught.value.status == 409
    assert syn.get(file.id, downloadFile=False).versionNumber == 1


def test_changed_file_creates_one_version(syn, folder, make_file, file):
    changed = make_file()
    by_name = syn.store(File(str(changed), parent=folder))
    assert (by_name.id, by_name.versionNumber, by_name.md5) == (file.id, 2, md5(changed))
    by_name.path = str(make_file("other.txt"))
    by_id = syn.store(by_name)
    assert (by_id.id, by_id.versionNumber, by_id.name) == (file.id, 3, "data.txt")
    assert by_id.path == by_name.path


def test_file_changed_within_a_second_is_uploaded(syn, file, path):
    """The modification time is unchanged."""
    moment = path.stat()
    path.write_text("x" * moment.st_size)
    os.utime(path, ns=(moment.st_atime_ns, moment.st_mtime_ns))
    assert syn.store(file).md5 == md5(path) != file.md5


def test_unchanged_file_creates_version_without_upload(syn, file):
    again = syn.store(file)
    assert (again.versionNumber, again.versionLabel) == (2, "2")
    assert again.dataFileHandleId == file.dataFileHandleId
    assert again.annotations == {"colour": ["blue"]}


def test_without_force_version_only_content_creates_version(syn, file, make_file):
    file.description = "better"
    same = syn.store(file, forceVersion=False)
    assert (same.versionNumber, same.description) == (1, "better")
    make_file()
    assert syn.store(same, forceVersion=False).versionNumber == 2


def test_stored_content_is_not_uploaded_again_without_cache(client_of, folder, file, tmp_path):
    other = client_of("alice", cache_root_dir=str(tmp_path / "elsewhere"))
    again = other.store(File(file.path, parent=folder), forceVersion=False)
    assert again.dataFileHandleId == file.dataFileHandleId
    assert other.cache.contains(file.dataFileHandleId, file.path)


def test_version_labels_are_set_and_unique(syn, folder, path, file):
    labelled = syn.store(file, versionLabel="final")
    assert (labelled.versionNumber, labelled.versionLabel) == (2, "final")
    assert syn.store(labelled, forceVersion=False, versionLabel=7).versionLabel == "7"
    with pytest.raises(SynapseConflictError):
        syn.store(syn.get(file.id), versionLabel="final")
    fresh = syn.store(File(str(path), parent=folder, name="fresh"), versionLabel="first")
    assert (fresh.versionNumber, fresh.versionLabel) == (1, "first")


def test_version_comment_is_not_copied_to_next_version(syn, folder, path):
    noted = syn.store(File(str(path), parent=folder, versionComment="why"))
    assert noted.versionComment == "why"
    assert "versionComment" not in syn.store(File(str(path), parent=folder))


def test_folder_has_no_versions(syn, folder):
    folder.description = "d"
    again = syn.store(folder, versionLabel="x")
    assert (again.description, again.get("versionNumber")) == ("d", None)


def test_annotations_of_file_are_replaced(syn, folder, path, file):
    del file.colour
    file.size = 3
    assert syn.store(file).annotations == {"size": [3]}
    assert syn.store(File(str(path), parent=folder, n=[1, 2])).annotations == {"n": [1, 2]}


@pytest.mark.parametrize("value", [[True, False], [1.5, float("inf")]])
def test_unchanged_special_values_are_not_stored_again(syn, folder, path, events, value):
    syn.store(File(str(path), parent=folder, k=value))
    syn.store(File(str(path), parent=folder, k=value), forceVersion=False)
    assert [event.changed for event in events] == [True, False]


def test_dictionary_is_stored_as_entity(syn, project, path):
    folder = syn.store(
        {"concreteType": FOLDER, "name": "plain", "parentId": project.id, "colour": "blue"}
    )
    assert (type(folder), folder.colour) == (Folder, ["blue"])
    file = syn.store({"path": str(path), "parentId": folder.id, "contentType": "text/x"})
    assert (type(file), file.name, file.contentType) == (File, "data.txt", "text/x")
    renamed = syn.store({"id": folder.id, "name": "renamed"})
    assert (renamed.id, renamed.name, renamed.parentId) == (folder.id, "renamed", project.id)
    external = syn.store(
        {"path": "https://example.org/x.csv", "synapseStore": False, "parentId": folder.id}
    )
    assert (external.name, external.externalURL) == ("x.csv", "https://example.org/x.csv")


def test_dictionary_with_id_and_path_updates_content(syn, file, make_file):
    stored = syn.store({"id": file.id, "path": str(make_file()), "annotations": {"a": 1}})
    assert (stored.id, stored.name, stored.versionNumber) == (file.id, "data.txt", 2)
    assert (stored.parentId, stored.a) == (file.parentId, [1])


def test_generic_entity_is_stored_as_class_of_its_type(syn, project):
    made = syn.store(Entity.create({"concreteType": FOLDER, "name": "f", "parentId": project.id}))
    assert type(made) is Folder


def test_external_file_is_stored_as_url(syn, folder):
    url = f"https://example.org/{uuid4()}.csv"
    stored = syn.store(File(url, parent=folder, synapseStore=False, md5="0" * 32, fileSize=5))
    assert (stored.externalURL, stored.synapseStore) == (url, False)
    assert (stored.md5, stored.fileSize, stored.contentType) == ("0" * 32, 5, "text/csv")
    again = syn.store(stored)
    assert (again.dataFileHandleId, again.versionNumber) == (stored.dataFileHandleId, 2)
    again.path = f"{url}?2"
    assert syn.store(again).externalURL == f"{url}?2"


def test_local_file_is_stored_as_file_url(syn, folder, make_file):
    path = make_file("my data.txt")
    stored = syn.store(File(str(path), parent=folder, synapseStore=False))
    assert (stored.externalURL, stored.md5) == (path.as_uri(), md5(path))
    assert syn.get(stored.id).path == str(path)
    with pytest.raises(SynapseMd5MismatchError):
        syn.store(File(str(path), parent=folder, name="x", synapseStore=False, md5="0" * 32))


def test_file_changes_between_uploaded_and_external(syn, file, path):
    uploaded_handle = file.dataFileHandleId
    file.synapseStore = False
    external = syn.store(file)
    assert (external.externalURL, external.synapseStore) == (path.as_uri(), False)
    external.synapseStore = True
    uploaded = syn.store(external)
    assert uploaded.synapseStore is True
    assert (uploaded.externalURL, uploaded.md5) == (None, md5(path))
    assert uploaded.dataFileHandleId != external.dataFileHandleId
    assert uploaded_handle != external.dataFileHandleId


def test_file_handle_id_instead_of_path(syn, folder, file, make_file):
    handle = syn.uploadFileHandle(str(make_file("h.txt")), parent=folder)
    stored = syn.store(
        File(name="by handle", parent=folder, dataFileHandleId=handle["id"], colour="red")
    )
    assert (stored.md5, stored.path) == (handle["contentMd5"], None)
    file.dataFileHandleId = handle["id"]
    moved = syn.store(file)
    assert (moved.md5, moved.versionNumber) == (handle["contentMd5"], 2)
    assert Path(moved.path).name == "h.txt"


def test_is_restricted_locks_entity_once(syn, folder, make_file):
    locked = syn.store(File(str(make_file()), parent=folder), isRestricted=True)
    found = syn.restGET(f"/entity/{locked.id}/accessRequirement")["results"]
    assert len(found) == 1
    syn.store(Folder("data", parent=folder.parentId), isRestricted=False)
    make_file()
    syn.store(File(locked.path, parent=folder), isRestricted=True)
    assert len(syn.restGET(f"/entity/{locked.id}/accessRequirement")["results"]) == 1


def test_provenance_is_stored_with_version(syn, folder, file, make_file):
    made = syn.store(
        File(str(make_file("result.txt")), parent=folder),
        used=[file, "https://example.org/data"],
        executed="https://example.org/a.py",
        activityName="count",
        activityDescription="d",
    )
    activity = syn.getProvenance(made)
    assert (activity["name"], activity["description"]) == ("count", "d")
    assert activity["used"][0]["reference"] == {
        "targetId": file.id,
        "targetVersionNumber": file.versionNumber,
    }
    again = syn.store(made, activity=Activity("recount", used=[file]))
    assert syn.getProvenance(again)["name"] == "recount"
    assert syn.getProvenance(made.id, version=1)["name"] == "count"
    again.description = "the etag is that after the provenance was written"
    assert syn.store(again, forceVersion=False).description.startswith("the etag")


def test_two_files_share_an_activity(syn, folder, file, make_file):
    shared = syn.setProvenance(file, Activity("make two"))
    other = syn.store(File(str(make_file("b.txt")), parent=folder), activity=shared)
    assert syn.getProvenance(other)["id"] == syn.getProvenance(file)["id"] == shared["id"]


def test_wrote_event_is_emitted_before_reload(syn, folder, path):
    """A listener can set the provenance; the returned entity has the resulting etag."""
    events = []

    def listen(event):
        events.append(event)
        assert syn.get_annotations(event.entity_id) == {"colour": ["blue"]}
        syn.setProvenance(event.entity_id, Activity("by the listener"))

    stop = syn.subscribe(listen)
    stored = syn.store(File(str(path), parent=folder, colour="blue"))
    stop()
    assert events == [Wrote(stored.id, 1, "data.txt", FILE, md5(path), folder.id, True, False)]
    assert syn.getProvenance(stored)["name"] == "by the listener"
    assert syn.store(stored, forceVersion=False).etag != stored.etag


def test_wrote_event_has_version_md5_and_changed(syn, project, folder, path, events):
    def last():
        event = events[-1]
        return event.version, event.md5, event.changed, event.activity_given

    file = syn.store(File(str(path), parent=folder), used="https://example.org")
    assert last() == (1, md5(path), True, True)
    syn.store(file)
    assert last() == (2, md5(path), True, False)
    syn.store(File(str(path), parent=folder), forceVersion=False)
    assert last() == (2, md5(path), False, False)
    syn.store(Folder("data", parent=project))
    assert last() == (None, None, False, False)
    syn.store(Folder("data", parent=project, colour="red"))
    assert last() == (None, None, True, False)


def test_skip_unchanged_creates_no_second_version(syn, folder, path, events):
    """An identical entity keeps its etag; a different one is updated."""

    def stored(**more):
        entity = File(str(path), parent=folder, colour="blue", **more)
        return syn.store(entity, versionLabel="one", activity=Activity("a"))

    first = stored()
    syn.skip_unchanged = True
    again = stored()
    assert (again.versionNumber, again.dataFileHandleId) == (1, first.dataFileHandleId)
    assert [event.changed for event in events] == [True, False]
    assert syn.store(again).versionNumber == 1
    again.size = 3
    sized = syn.store(again)
    assert (sized.versionNumber, sized.size) == (1, [3])
    path.write_text(str(uuid4()))
    touch(path)
    assert syn.store(File(str(path), parent=folder, colour="blue", size=3)).versionNumber == 2


def test_skip_unchanged_keeps_folders(syn, project, folder):
    syn.skip_unchanged = True
    assert syn.store(Folder("data", parent=project)).etag == folder.etag
    assert syn.store(folder).etag == folder.etag
    folder.description = "d"
    assert syn.store(folder).etag != folder.etag


def test_store_of_stale_entity_is_rejected(client_of, syn, file):
    other = client_of("alice")
    stale = other.get(file.id, downloadFile=False)
    syn.store(file)
    stale.description = "late"
    with pytest.raises(SynapseStaleError, match=r"412 PUT .*(?s:.)*Get it again"):
        other.store(stale)
    assert "description" not in syn.get(file.id, downloadFile=False)


@pytest.mark.parametrize(
    ("entity", "arguments", "error", "message"),
    [
        (7, {}, SynapseError, "Can't store a value of type int. Pass an entity"),
        ("syn1", {}, SynapseError, "Can't store a value of type str. Pass"),
        ({"name": "x"}, {}, SynapseMalformedEntityError, "needs a type"),
        (Entity(name="x"), {}, SynapseMalformedEntityError, "needs a type"),
        ({"concreteType": FOLDER, "name": "x"}, {}, SynapseMalformedEntityError, "parentId"),
        (Folder("x", parent="nowhere"), {}, ValueError, "Invalid Synapse ID 'nowhere'"),
        (Project("x", a={}), {}, ValueError, "Invalid value {} .dict. of annotation 'a'"),
        (Project("x", a=2**64), {}, ValueError, "64 bits"),
        (Project("x", **{"a b": 1}), {}, ValueError, "Invalid annotation name"),
        (
            File("no/such/file.csv", parent="syn1"),
            {},
            SynapseFileNotFoundError,
            "There is no file no/such/file.csv",
        ),
        (File("/", parent="syn1", name="x"), {}, SynapseFileNotFoundError, "is a directory"),
        (File("https://x.org/a", parent="syn1"), {}, ValueError, "synapseStore=False"),
        (
            Project("x"),
            {"activity": Activity(), "used": ["syn1"]},
            SynapseProvenanceError,
            "but not both",
        ),
        (Project("x"), {"activity": "5"}, SynapseProvenanceError, "takes an Activity, not str"),
        (Project("x"), {"used": "not an id"}, ValueError, "Invalid Synapse ID"),
    ],
)
def test_invalid_arguments_are_rejected_before_any_request(
    in_process_client, calls, entity, arguments, error, message
):
    with pytest.raises(error, match=message):
        in_process_client.store(entity, **arguments)
    assert calls() == []


def test_entity_of_another_type_is_not_overwritten(syn, folder, project, make_file):
    """A folder by a file, a file by a folder, and a folder by a link."""
    taken = syn.store(Folder("taken", parent=folder))
    path = make_file("taken")
    with pytest.raises(SynapseConflictError, match=f"{taken.id} is a folder, not a file: choose"):
        syn.store(File(str(path), parent=folder))
    file = syn.store(File(str(path), parent=project))
    with pytest.raises(SynapseConflictError, match=f"{file.id} is a file, not a folder"):
        syn.store(Folder("taken", parent=project))
    with pytest.raises(SynapseConflictError, match=f"{taken.id} is a folder, not a link"):
        syn.store(Link(file, parent=folder))
    assert syn.get(taken.id).etag == taken.etag
    assert syn.get(file.id, downloadFile=False).etag == file.etag


def test_store_cannot_change_entity_type(syn, folder, path):
    wrong = File(str(path), parent=folder.parentId, id=folder.id)
    with pytest.raises(SynapseMalformedEntityError, match=f"{folder.id} is a folder, not a file"):
        syn.store(wrong)


def test_parent_must_be_a_container(syn, file, make_file):
    for child in (Folder("x", parent=file.id), File(str(make_file("y.txt")), parent=file.id)):
        with pytest.raises(SynapseMalformedEntityError, match=f"{file.id} is a file and cannot"):
            syn.store(child)


def test_parent_must_exist(syn, make_file):
    for child in (
        Folder("x", parent="syn999999999"),
        File(str(make_file()), parent="syn999999999"),
    ):
        with pytest.raises(SynapseNotFoundError):
            syn.store(child)


def test_store_requires_access(syn, bob, dave, project, folder, make_file):
    owner = bob.getUserProfile().ownerId
    with pytest.raises(SynapseForbiddenError):
        bob.store(Folder("x", parent=folder))
    with pytest.raises(SynapseConflictError, match="belongs to another user"):
        bob.store(Project(project.name))
    syn.setPermissions(project, owner, ["READ"])
    with pytest.raises(SynapseForbiddenError, match="You lack UPDATE access"):
        bob.store(Project(project.name, description="changed"))
    assert bob.store(Project(project.name)).id == project.id
    own = dave.store(Project(f"dave {uuid4()}"))
    with pytest.raises(SynapseForbiddenError, match="Only certified users"):
        dave.store(Folder("x", parent=own))


def test_link_with_parent_of_its_target_is_rejected(syn, folder, file):
    with pytest.raises(ValueError, match="Link to an entity under the same parent"):
        syn.store(Link(file, parent=folder))


class LostReplyAdapter(BaseAdapter):
    """Adapter that sends one request, and replaces its reply by status 503."""

    def __init__(self, inner, method, path):
        super().__init__()
        self.inner, self.method, self.path = inner, method, path
        self.lost = 0

    def send(self, request, **options):
        reply = self.inner.send(request, **options)
        path = request.path_url.partition("?")[0]
        if not self.lost and (request.method, path) == (self.method, self.path):
            self.lost += 1
            reply.status_code = 503
        return reply

    def close(self):
        """Do nothing: the inner adapter is closed by its owner."""


@pytest.fixture
def client_with_lost_reply(in_process_service, tmp_path):
    """Return a function that creates clients of alice which lose one reply."""
    url = in_process_service.endpoints["repoEndpoint"]
    inner = in_process_service.session.get_adapter(url)
    opened = []

    def make(method, path):
        session = requests.Session()
        adapter = LostReplyAdapter(inner, method, path)
        session.mount("http://", adapter)
        cache = str(tmp_path / "client_with_lost_reply")
        opened.append(
            in_process_service.client("alice", requests_session=session, cache_root_dir=cache)
        )
        return opened[-1], adapter

    yield make
    for syn in opened:
        syn.close()


def test_create_with_lost_reply_creates_one_version(
    in_process_client, client_with_lost_reply, make_file
):
    """The repeated request conflicts with the entity that the first one created."""
    project = in_process_client.store(Project(f"lost {uuid4()}"))
    syn, adapter = client_with_lost_reply("POST", "/repo/v1/entity")
    stored = syn.store(File(str(make_file()), parent=project, colour="blue"), versionLabel="one")
    assert adapter.lost == 1
    assert (stored.versionNumber, stored.versionLabel, stored.colour) == (1, "one", ["blue"])
    assert len(list(syn.getChildren(project))) == 1


@pytest.mark.parametrize("options", [{}, {"used": "https://x.org"}], ids=["plain", "activity"])
def test_update_with_lost_reply_creates_one_version(
    in_process_client, client_with_lost_reply, make_file, options
):
    """The repeated request fails with 412, because the first one was applied."""
    project = in_process_client.store(Project(f"lost {uuid4()}"))
    file = in_process_client.store(File(str(make_file()), parent=project))
    make_file()
    syn, adapter = client_with_lost_reply("PUT", f"/repo/v1/entity/{file.id}")
    stored = syn.store(File(file.path, parent=project, colour="blue"), **options)
    assert adapter.lost == 1
    assert (stored.versionNumber, stored.md5) == (2, md5(file.path))
    assert stored.colour == ["blue"]
    assert ("used" not in options) or syn.getProvenance(stored)["used"]
    assert syn.get(file.id, downloadFile=False).versionNumber == 2


def test_requests_of_creating_and_updating_containers(in_process_client, calls):
    name = f"calls {uuid4()}"
    project = in_process_client.store(Project(name))
    assert calls() == ["POST /entity 201", f"POST /entity/{project.id}/bundle2 200"]
    in_process_client.store(Project(name, colour="blue"))
    assert calls() == [
        "POST /entity 409",
        "POST /entity/child 200",
        f"POST /entity/{project.id}/bundle2 200",
        f"PUT /entity/{project.id} 200",
        f"PUT /entity/{project.id}/annotations2 200",
        f"POST /entity/{project.id}/bundle2 200",
    ]
    folder = in_process_client.store(Folder("f", parent=project, colour="blue"))
    assert calls() == [
        "POST /entity 201",
        f"PUT /entity/{folder.id}/annotations2 200",
        f"POST /entity/{folder.id}/bundle2 200",
    ]
    in_process_client.store(folder)
    assert calls() == [
        f"PUT /entity/{folder.id} 200",
        f"PUT /entity/{folder.id}/annotations2 200",
        f"POST /entity/{folder.id}/bundle2 200",
    ]


def test_requests_of_creating_and_updating_files(in_process_client, calls, make_file):
    folder = in_process_client.store(Project(f"calls {uuid4()}"))
    calls()
    file = in_process_client.store(
        File(str(make_file()), parent=folder), executed="https://x.org/a.py"
    )
    create = calls()
    upload = [call for call in create if call.partition(" ")[2].startswith("file:")]
    assert [call for call in create if call not in upload] == [
        "POST /entity/child 404",
        "POST /activity 201",
        "POST /entity 201",
        f"POST /entity/{file.id}/bundle2 200",
    ]
    assert create[2 : 2 + len(upload)] == upload
    assert upload[0] == f"GET file:/entity/{folder.id}/uploadDestination 200"
    in_process_client.store(file)
    assert calls() == [
        f"POST /entity/{file.id}/bundle2 200",
        f"PUT /entity/{file.id} 200",
        f"POST /entity/{file.id}/bundle2 200",
    ]
    make_file()
    in_process_client.store(File(file.path, parent=folder))
    changed = calls()
    assert changed[:2] == ["POST /entity/child 200", f"POST /entity/{file.id}/bundle2 200"]
    assert changed[-2:] == [f"PUT /entity/{file.id} 200", f"POST /entity/{file.id}/bundle2 200"]


def test_conflict_is_reported_before_upload(in_process_client, calls, make_file):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    taken = in_process_client.store(Folder("taken", parent=project))
    calls()
    with pytest.raises(SynapseConflictError):
        in_process_client.store(File(str(make_file("taken")), parent=project))
    assert calls() == ["POST /entity/child 200", f"POST /entity/{taken.id}/bundle2 200"]

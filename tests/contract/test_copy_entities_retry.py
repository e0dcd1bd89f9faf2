"""Copies that are interrupted at each of their requests, and run again."""

import re
import threading

import pytest
import requests

from synapse_workflows import (
    Activity,
    Column,
    File,
    Folder,
    Project,
    Schema,
    Table,
    Wiki,
)
from synapse_workflows.client.errors import SynapseNotFoundError

_CHANGES = {"POST", "PUT", "DELETE"}
#: Requests that change nothing that a caller can see.
_OTHERS = ("/multipart", "/bundle2", "/entity/children", "/entity/child", "/query", "/csv/async")


class KilledSession(requests.Session):
    """HTTP session that interrupts its client at one of the requests that change something.

    Args:
        number: Number of the request, from 0, after whose processing the client is interrupted.
            None to interrupt no request.

    Attributes:
        sent: Method and path of each of these requests, without IDs.
    """

    def __init__(self, number=None):
        super().__init__()
        self.number = number
        self.sent = []
        self.lock = threading.Lock()

    def send(self, request, **options):
        if request.method in _CHANGES and not any(one in request.url for one in _OTHERS):
            with self.lock:
                index = len(self.sent)
                self.sent.append(f"{request.method} {re.sub(r'[0-9]+', '', request.path_url)}")
            if index == self.number:
                super().send(request, **options)
            if self.number is not None and index >= self.number:
                raise KeyboardInterrupt
        return super().send(request, **options)


@pytest.fixture(scope="module")
def source(socket_service, tmp_path_factory):
    """A folder with a file, a sub-folder, a table with rows and a link."""
    folder = tmp_path_factory.mktemp("source")
    path = folder / "data.txt"
    path.write_text("data")
    with socket_service.client(cache_root_dir=str(folder / "cache")) as syn:
        project = syn.store(Project(f"interrupted {folder}"[-100:].replace("/", " ")))
        root = syn.store(Folder("root", parent=project, note="x"))
        inner = syn.store(Folder("inner", parent=root))
        made = Activity("made", used="https://example.org")
        syn.store(File(str(path), parent=inner, note="y"), activity=made)
        columns = [Column(name="n", columnType="INTEGER")]
        schema = syn.store(Schema("table", columns, parent=root, note="z"))
        syn.store(Table(schema, [[1], [2]]))
        page = syn.store(Wiki(owner=root, title="top", markdown=f"see {inner.id}"))
        link = f"{root.id}/wiki/{page.id}"
        below = Wiki(owner=root, title="below", markdown=link, parentWikiId=page.id)
        syn.store(below)
        yield root


def describe(syn, project):
    """Return what a project contains, by path."""
    found = {}
    for container, folders, entities in syn.walk(project):
        for name, entity_id in (*folders, *entities):
            entity = syn.get(entity_id, downloadFile=False)
            rows = None
            if "columnIds" in entity.properties:
                rows = syn.tableQuery(f"select * from {entity_id}").asDataFrame()["n"].tolist()
            path = f"{container.path}/{name}".partition("/")[2]
            if "columnIds" not in entity.properties and "dataFileHandleId" not in entity:
                found[f"{path} wiki"] = describe_wiki(syn, entity_id)
            found[path] = (
                dict(entity.annotations),
                entity.get("versionNumber"),
                entity.get("md5"),
                rows,
            )
    return found


def describe_wiki(syn, entity_id):
    """Return titles and texts of the pages of a wiki, without IDs."""
    try:
        headers = syn.getWikiHeaders(entity_id)
    except SynapseNotFoundError:
        return None
    texts = [syn.getWiki(entity_id, one.id).markdown for one in headers]
    ids = {one.id: one.title for one in headers}
    return [
        (
            one.title,
            re.sub(r"\d+$", lambda found: ids.get(found[0], ""), text.replace(entity_id, "")),
        )
        for one, text in zip(headers, texts, strict=True)
    ]


def test_copy_that_is_interrupted_after_any_request_is_completed(
    socket_service, socket_client, source, tmp_path
):
    """The copy is interrupted after the first request of each kind."""
    syn, cache = socket_client, str(tmp_path / "killed")
    complete = syn.store(Project(f"{source.id} {tmp_path.name}"))
    recording = KilledSession()
    with socket_service.client(requests_session=recording, cache_root_dir=cache) as first:
        first.copy(source, complete)
    expected = describe(syn, complete)
    assert expected["root/table"][3] == [1, 2]
    assert expected["root wiki"] == [("top", "see syn"), ("below", "/wiki/top")]
    kinds = list(dict.fromkeys(recording.sent))
    assert len(kinds) >= 7, kinds
    for number in map(recording.sent.index, kinds):
        target = syn.store(Project(f"{complete.name} {number}"))
        session = KilledSession(number)
        with (
            socket_service.client(requests_session=session, cache_root_dir=cache) as killed,
            pytest.raises(KeyboardInterrupt),
        ):
            killed.copy(source, target)
        syn.copy(source, target)
        assert describe(syn, target) == expected, kinds

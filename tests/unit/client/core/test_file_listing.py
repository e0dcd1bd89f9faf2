"""Incremental listings of containers, driven by hand against containers in memory."""

import pytest

from synapse_workflows.client.core.file_listing import (
    FileListing,
    pack_versions,
    unpack_versions,
)
from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.core.new_files import FileFilter
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError
from synapse_workflows.constants import FILE, FOLDER

ROOT = "syn1"
PAGE = 50


class Containers:
    """The children of each container, as ``POST /entity/children`` lists them."""

    def __init__(self):
        self.children = {ROOT: {}}
        self.errors = {}
        self.requests = 0
        self.before = {}

    def add(self, number, time=0, parent=ROOT, kind=FILE, version=1):
        key = f"syn{number}"
        self.children[parent][key] = {
            "id": key,
            "name": f"{number}.csv",
            "type": kind,
            "versionNumber": version,
            "modifiedOn": f"2026-11-26T12:00:{time:02}.000Z",
            "createdOn": "2026-11-26T12:00:00.000Z",
        }
        if kind == FOLDER:
            self.children.setdefault(key, {})
        return key

    def move(self, key, old, new):
        self.children[new][key] = self.children[old].pop(key)

    def reply(self, body):
        self.requests += 1
        self.before.pop(self.requests, lambda: None)()
        parent, start = body["parentId"], int(body.get("nextPageToken") or 0)
        if parent in self.errors:
            raise self.errors[parent]
        if parent not in self.children:
            raise SynapseNotFoundError(404, "gone", "POST /entity/children")
        kinds = {FILE} if body["includeTypes"] == ["file"] else {FILE, FOLDER}
        found = [one for one in self.children[parent].values() if one["type"] in kinds]
        found.sort(key=lambda one: (one["modifiedOn"], int(one["id"][3:])), reverse=True)
        token = str(start + PAGE) if len(found) > start + PAGE else None
        page = {"page": found[start : start + PAGE], "totalChildCount": len(found)}
        return Reply.of(page | ({} if token is None else {"nextPageToken": token}))

    def fetch(self, listing):
        """Run the flow of a listing; return the IDs of the files."""
        self.requests, flow, reply, error = 0, listing.fetch(), None, None
        while True:
            try:
                call = flow.send(reply) if error is None else flow.throw(error)
            except StopIteration as done:
                return set(done.value)
            reply, error = None, None
            if call.method == "GET":
                reply = Reply.of({"type": FOLDER})
                continue
            try:
                reply = self.reply(call.body)
            except SynapseForbiddenError as failed:
                error = failed
            except SynapseNotFoundError as failed:
                error = failed


@pytest.fixture
def containers():
    return Containers()


def test_only_the_first_page_is_read_again(containers):
    known = {containers.add(number, number // 10) for number in range(100, 300)}
    listing = FileListing(ROOT, recursive=False)
    assert containers.fetch(listing) == known
    assert containers.requests == 4
    known |= {containers.add(number, 40) for number in range(300, 310)}
    assert containers.fetch(listing) == known
    assert containers.requests == 1


def test_files_of_the_same_time_are_found(containers):
    """The clock of Synapse may give the same time to files of different polls."""
    known = {containers.add(number, 1) for number in range(200, 320)}
    listing = FileListing(ROOT, recursive=True)
    assert containers.fetch(listing) == known
    known |= {containers.add(number, 1) for number in range(100, 200)}
    assert containers.fetch(listing) == known


def test_older_files_are_found(containers):
    """Moved or restored files, or files that became readable, may have an old time."""
    known = {containers.add(number, 5) for number in range(100, 220)}
    listing = FileListing(ROOT, recursive=True)
    containers.fetch(listing)
    known.add(containers.add(7, 0))
    assert containers.fetch(listing) == known


def test_an_exchange_that_keeps_the_number_is_found_later(containers):
    known = {containers.add(number, 5) for number in range(100, 220)}
    listing = FileListing(ROOT, recursive=True)
    containers.fetch(listing)
    del containers.children[ROOT]["syn100"]
    known = known - {"syn100"} | {containers.add(7, 0)}
    found = [containers.fetch(listing) for _ in range(32)]
    assert found[-1] == known


def test_deletions_while_pages_are_read_hide_nothing(containers):
    known = {containers.add(number, 1) for number in range(100, 250)}
    containers.before[2] = lambda: containers.children[ROOT].pop("syn249")
    listing = FileListing(ROOT, recursive=True)
    assert containers.fetch(listing) == known - {"syn249"}


def test_a_file_that_moves_between_folders_while_they_are_read_is_not_gone(containers):
    left, right = (containers.add(number, 1, kind=FOLDER) for number in (10, 11))
    file = containers.add(100, 1, parent=left)
    listing = FileListing(ROOT, recursive=True)
    assert containers.fetch(listing) == {file}
    first = []
    original = containers.reply

    def reply(body):
        found = original(body)
        if body["parentId"] in (left, right):
            first.append(body["parentId"])
            if len(first) == 1:
                other = right if first[0] == left else left
                if file in containers.children[other]:
                    containers.move(file, other, first[0])
        return found

    containers.reply = reply
    assert containers.fetch(listing) == {file}
    containers.reply = original
    assert containers.fetch(listing) == {file}
    containers.children[left].clear()
    containers.children[right].clear()
    assert containers.fetch(listing) == {file}  # missing for the first time
    assert containers.fetch(listing) == set()


def test_folders_that_cannot_be_read(containers):
    folder = containers.add(10, 1, kind=FOLDER)
    file = containers.add(100, 1, parent=folder)
    listing = FileListing(ROOT, recursive=True)
    containers.fetch(listing)
    containers.errors[folder] = SynapseForbiddenError(403, "no", "POST /entity/children")
    assert [containers.fetch(listing) for _ in range(3)] == [{file}] * 3
    containers.errors[folder] = SynapseNotFoundError(404, "gone", "POST /entity/children")
    assert [containers.fetch(listing) for _ in range(2)] == [{file}, set()]
    containers.errors = {ROOT: SynapseForbiddenError(403, "no", "POST /entity/children")}
    with pytest.raises(SynapseForbiddenError):
        containers.fetch(listing)


def test_a_listing_is_restored_from_text(containers):
    folder = containers.add(10, 1, kind=FOLDER)
    numbers = range(100, 220)
    known = {containers.add(one, one // 10, parent=folder, version=2) for one in numbers}
    listing = FileListing(ROOT, recursive=True)
    containers.fetch(listing)
    text = listing.to_text()
    assert text.isascii()
    restored = FileListing.from_text(ROOT, True, text)
    assert {key: one.version for key, one in restored.files.items()} == dict.fromkeys(known, 2)
    new = containers.add(500, 30, parent=folder)
    assert containers.fetch(restored) == known | {new}
    assert containers.requests == 2
    partial = FileListing.from_text(ROOT, True, listing.to_text(without=["syn100"]))
    assert containers.fetch(partial) == known | {new}


def test_versions_are_packed():
    versions = {f"syn{number}": number % 3 + 1 for number in range(70_000_000, 70_010_000, 7)}
    text = pack_versions(versions)
    assert unpack_versions(text) == versions
    assert len(text) < len(versions)
    assert unpack_versions(pack_versions({})) == {}


def test_filter_of_new_files(containers):
    for number, version in ((100, 1), (101, 3), (102, 1)):
        containers.add(number, version=version)
    listing = FileListing(ROOT, recursive=True)
    containers.fetch(listing)
    files, known = listing.files, {"syn100": 1, "syn101": 2}

    def select(*arguments):
        return [one.id for one in FileFilter(*arguments).select(files, known)]

    assert select() == ["syn102"]
    assert select(None, True) == ["syn101", "syn102"]
    assert select("*[12].csv", True) == ["syn101", "syn102"]
    assert select("*.CSV") == []
    assert FileFilter("101*").find_known(files) == {"syn101": 3}
    assert FileFilter().find_known(files, since=0) == {}

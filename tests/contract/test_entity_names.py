"""Names of entities and of uploaded files are checked before anything is sent or read."""

import re
from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import (
    Column,
    EntityViewSchema,
    File,
    Folder,
    Project,
    Schema,
    Table,
)
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.constants import FOLDER

COLUMN = Column(name="a", columnType="STRING")


@pytest.fixture
def path(make_file):
    return str(make_file())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda _: Folder("a/b", parent="syn1"),
            "Invalid name 'a/b' of the folder: invalid characters are '/'",
        ),
        (lambda _: Project("Genève"), "'Genève' of the project.*ASCII.*for example 'Gen_ve'"),
        (lambda _: Schema("T:1", [COLUMN], parent="syn1"), "'T:1' of the table"),
        (lambda _: EntityViewSchema("V*", parent="syn1", scopes="syn1"), "'V[*]' of the"),
        (lambda path: File(path, name="a[1].csv", parent="syn1"), r"'a\[1\].csv' of the file"),
        (lambda path: File(path, name="a?", id="syn1"), "'a[?]' of the file"),
        (lambda _: Folder("x" * 257, parent="syn1"), "it has 257 characters, more than 256"),
        (lambda _: Folder(" ", parent="syn1"), "must not be empty.*Pass None"),
        (lambda _: {"concreteType": FOLDER, "name": "a;b", "parentId": "syn1"}, "'a;b'"),
    ],
)
def test_invalid_name_is_rejected_before_any_request(
    in_process_client, calls, path, build, message
):
    calls()
    with pytest.raises(SynapseMalformedEntityError, match=message):
        in_process_client.store(build(path))
    assert calls() == []


@pytest.mark.parametrize("name", ["données.csv", "a[1].csv", "a=b.csv", "a\tb.csv"])
def test_invalid_file_name_is_rejected_before_any_request(
    in_process_client, calls, make_file, name
):
    path = make_file(name)
    calls()
    with pytest.raises(SynapseMalformedEntityError, match=re.escape(repr(name))):
        in_process_client.store(File(str(path), parent="syn1"))
    assert calls() == []


def test_invalid_name_of_an_upload_is_rejected(in_process_client, calls, make_file):
    path = str(make_file("a=b.csv"))
    project = in_process_client.store(Project(f"upload {uuid4()}"))
    calls()
    with pytest.raises(SynapseMalformedEntityError, match="Rename the file"):
        in_process_client.uploadFileHandle(path, project)
    assert [call for call in calls() if "multipart" in call] == []


def test_rejected_file_leaves_no_activity(in_process_client, calls, make_file):
    project = in_process_client.store(Project(f"rejected {uuid4()}"))
    calls()
    for path, message in ((make_file("a=b.csv"), "Rename"), (make_file("e.csv", ""), "is empty")):
        with pytest.raises(ValueError, match=message):
            in_process_client.store(
                File(str(path), name="valid.csv", parent=project), used="https://example.org"
            )
    assert calls() == ["POST /entity/child 404"] * 2


@pytest.mark.parametrize("name", ["a b_c-d.e,f+g'h(i).csv", "  blanks.csv", "x" * 200])
def test_valid_names_are_stored(syn, project, make_file, name):
    path = make_file(name)
    assert syn.store(File(str(path), parent=project)).name == name.strip()


def test_name_of_stored_content_does_not_prevent_an_update(syn, project, make_file):
    """A file that is not uploaded again may have any name on disk."""
    stored = syn.store(File(str(make_file("valid.txt", "content")), parent=project))
    renamed = make_file("[1].txt", "content")
    stored.path = str(renamed)
    stored.colour = "blue"
    assert syn.store(stored, forceVersion=False).colour == ["blue"]


def test_rows_come_from_a_csv_file_of_any_name(syn, project, make_file):
    path = make_file("données [1].csv", "a\nx\n")
    schema = syn.store(Schema("Rows", [COLUMN], parent=project))
    syn.store(Table(schema, str(path)))
    result = syn.tableQuery(f"select a from {schema.id}")
    assert Path(result.filepath).read_text().splitlines()[1].endswith('x"')

"""Tests of CellNormalizer with values of every type, and of the upload progress."""

from pathlib import Path
from uuid import uuid4

import pytest
from contract.test_table_rows_round_trip import EVERY_TYPE
from hypothesis import given, settings

from synapse_workflows import Project, Schema, Table
from synapse_workflows.client.model import cell_codec
from synapse_workflows.idempotency.cell_normalization import CellNormalizer
from synapse_workflows.idempotency.row_source import SYNAPSE_CSV
from synapse_workflows.idempotency.row_upload import RowUpload


@pytest.fixture(scope="module")
def client_and_project(in_process_service, tmp_path_factory):
    """Client and project."""
    cache = str(tmp_path_factory.mktemp("cache"))
    with in_process_service.client("alice", cache_root_dir=cache) as syn:
        yield syn, syn.store(Project(f"comparing {uuid4()}"))


@settings(max_examples=12, deadline=None)
@given(EVERY_TYPE)
def test_source_rows_equal_the_rows_that_were_stored_from_them(
    client_and_project, table_of_all_types
):
    syn, project = client_and_project
    columns, rows = table_of_all_types
    writers = [cell_codec.create_writer(column) for column in columns]
    lines = [[w(cell) for w, cell in zip(writers, row, strict=True)] for row in rows]
    table = syn.store(Table(Schema(str(uuid4()), columns, parent=project), rows)).tableId
    result = syn.tableQuery(f"select * from {table} order by ROW_ID", lineEnd="\n")
    with Path(result.filepath).open(encoding="utf-8", newline="") as file:
        _, *stored = [line[2:] for line in SYNAPSE_CSV.parse_rows(file)]
    normalizer = CellNormalizer(columns)
    assert all(map(normalizer.is_equal, lines, stored))
    assert all(map(normalizer.is_equal, stored, stored))
    for index, column in enumerate(columns):
        changed = [[*line[:index], "another", *line[index + 1 :]] for line in lines]
        if column["columnType"] in ("INTEGER", "DATE", "BOOLEAN"):
            assert not any(map(normalizer.is_equal, changed, stored))


def test_progress_is_logged_every_ten_seconds(client_and_project):
    """The message has the numbers of rows and bytes; it is logged at most every ten seconds."""
    syn, _ = client_and_project
    messages, now = [], [0.0]

    def clock():
        now[0] += 4
        return now[0]

    upload = RowUpload(syn, "syn1", 1, lambda *line: messages.append(line[0] % line[1:]), clock)
    assert upload.upload(["a", "b"], ([f"cell {n}", None] for n in range(7))) == 7
    assert len(upload.file_handle_ids) == 7
    assert messages == ["syn1: uploaded 3 rows, 54 B", "syn1: uploaded 6 rows, 108 B"]

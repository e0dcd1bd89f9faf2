"""What is stored already is told from what is new, for values of every type."""

from pathlib import Path
from uuid import uuid4

import pytest
from contract.test_tables_properties import EVERY_TYPE
from hypothesis import given, settings

from synapse_workflows import Project, Schema, Table
from synapse_workflows.client.model import cell_codec
from synapse_workflows.idempotency.cell_normalization import CellNormalizer, hash_cells
from synapse_workflows.idempotency.row_source import SYNAPSE_CSV
from synapse_workflows.idempotency.row_upload import RowUpload


@pytest.fixture(scope="module")
def place(in_process_service, tmp_path_factory):
    """A client and a project for many tables."""
    cache = str(tmp_path_factory.mktemp("cache"))
    with in_process_service.client("alice", cache_root_dir=cache) as syn:
        yield syn, syn.store(Project(f"comparing {uuid4()}"))


@settings(max_examples=12, deadline=None)
@given(EVERY_TYPE)
def test_what_synapse_keeps_is_what_was_given(place, made):
    syn, project = place
    columns, rows = made
    writers = [cell_codec.create_writer(column) for column in columns]
    lines = [[w(cell) for w, cell in zip(writers, row, strict=True)] for row in rows]
    table = syn.store(Table(Schema(str(uuid4()), columns, parent=project), rows)).tableId
    answer = syn.tableQuery(f"select * from {table} order by ROW_ID", lineEnd="\n")
    with Path(answer.filepath).open(encoding="utf-8", newline="") as file:
        _, *kept = [line[2:] for line in SYNAPSE_CSV.parse_rows(file)]
    compared = CellNormalizer(columns)
    assert list(map(compared.given, lines)) == list(map(compared.kept, kept))
    assert list(map(compared.given, kept)) == list(map(compared.kept, kept))


@settings(max_examples=50, deadline=None)
@given(EVERY_TYPE)
def test_other_rows_have_other_digests(made):
    columns, rows = made
    writers = [cell_codec.create_writer(column) for column in columns]
    compared = CellNormalizer(columns)
    lines = [
        compared.given([w(cell) for w, cell in zip(writers, row, strict=True)]) for row in rows
    ]
    for one in lines:
        for other in lines:
            assert (one == other) == (hash_cells(one) == hash_cells(other))


def test_how_far_it_is_is_told_now_and_then(place):
    """Rows and bytes, not oftener than every ten seconds."""
    syn, _ = place
    told, now = [], [0.0]

    def clock():
        now[0] += 4
        return now[0]

    uploads = RowUpload(syn, "syn1", 1, lambda *line: told.append(line[0] % line[1:]), clock)
    assert uploads.send(["a", "b"], ([f"cell {n}", None] for n in range(7))) == 7
    assert len(uploads.handles) == 7
    assert told == ["syn1: 3 rows sent so far, 54 B", "syn1: 6 rows sent so far, 108 B"]

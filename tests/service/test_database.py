"""Tests of the durability of commits."""

import os

import pytest
from sqlalchemy import text

from synapse_workflows.local.app import open_service
from synapse_workflows.local.settings import Settings

#: Values of SQLite's PRAGMA synchronous.
FULL, OFF = 2, 0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, FULL), ({"durable": False}, OFF)],
    ids=["default", "not-durable"],
)
def test_only_a_durable_service_waits_for_the_disk(tmp_path, monkeypatch, settings, expected):
    flushed = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    service = open_service(Settings(data_dir=tmp_path, **settings))
    flushed.clear()  # the secret of the service
    with service.database.write_transaction() as session:
        assert session.scalar(text("PRAGMA synchronous")) == expected
    with service.tables.open_writer(1) as writer:
        assert writer.connection.execute("PRAGMA synchronous").fetchone() == (expected,)
        writer.flush()
    with service.blobs.create() as file:
        file.write(b"content")
        file.commit()
    state, _ = service.views.write([], [], [])
    with service.views.open_current(1, bool, lambda: (1, state)) as (_, connection):
        service.views.copy(connection)
    service.close()
    # the log of a table; content and two directories; the copy of a view and its directory
    assert len(flushed) == (6 if expected == FULL else 0)

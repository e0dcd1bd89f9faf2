"""The error of a full disk names the file and the way out."""

import errno
from pathlib import Path

import pytest

from synapse_workflows import Column, CsvFileTable, Schema
from synapse_workflows.client.model.csv_io import decompress
from synapse_workflows.client.model.disk_space import explain_full_disk

FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


def write_rows(_):
    schema = Schema("t", [Column(name="a", columnType="STRING")], parent="syn1", id="syn2")
    CsvFileTable.from_list_of_rows(schema, [["x"]] * 20, filepath=str(FULL))


def copy_text(folder):
    source = folder / "rows.csv"
    source.write_text("a\n1\n")
    decompress(source, FULL)


@pytest.mark.parametrize("write", [write_rows, copy_text])
def test_a_file_that_does_not_fit_on_the_disk(write, tmp_path):
    with pytest.raises(OSError, match="set TMPDIR") as caught:
        write(tmp_path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(FULL))
    assert "bytes are free in /dev" in str(caught.value)


def test_other_errors_stay(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, explain_full_disk(tmp_path / "x"):
        (tmp_path / "x").open("rb")
    assert "TMPDIR" not in str(caught.value)

"""Files in the cells of tables, downloaded many at a time."""

from pathlib import Path

from synapse_workflows import Column, File, Schema, Table


def test_files_in_cells_are_downloaded(syn, project, make_file):
    files = [syn.store(File(str(make_file(f"{n}.txt")), parent=project)) for n in range(3)]
    handles = [file.dataFileHandleId for file in files]
    columns = [Column(name="f", columnType="FILEHANDLEID"), Column(name="n", columnType="INTEGER")]
    rows = [*([handle, n] for n, handle in enumerate(handles)), [None, 9], [handles[0], 10]]
    table = syn.store(Table(Schema("files", columns, parent=project), rows))
    found = syn.tableQuery(f"select * from {table.tableId}")
    for handle in handles:
        syn.cache.remove(handle, delete=False)
    paths = syn.downloadTableColumns(found, "f")
    assert list(paths) == handles
    for file, path in zip(files, paths.values(), strict=True):
        assert Path(path).read_bytes() == Path(file.path).read_bytes()

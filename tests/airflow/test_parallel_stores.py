"""Tasks that store to one entity at the same time, each in a separate process."""

import hashlib

from support.parallel_tasks import run_in_parallel

from synapse_workflows import Column, Schema


def test_versions_of_parallel_tasks_have_their_own_activity(
    connection, project, alice, tmp_path, sources_of
):
    texts, tasks = [], []
    for number in range(8):
        path = tmp_path / str(number) / "latest.txt"
        path.parent.mkdir()
        texts.append(f"text {number} of {project}")
        path.write_text(texts[-1])
        tasks.append(
            {
                "path": str(path),
                "parent_id": project,
                "folder": "a/b",
                "used": f"https://example.org/{number}",
                "annotations": {"number": number},
            }
        )
    references = run_in_parallel(connection, tmp_path, "file", tasks)
    assert len({one["id"] for one in references}) == 1
    assert sorted({one["version"] for one in references}) == sorted(
        one["versionNumber"]
        for one in alice.restGET(f"/entity/{references[0]['id']}/version?limit=50")["results"]
    )
    for number, reference in enumerate(references):
        entity, version = reference["id"], reference["version"]
        assert reference["md5"] == hashlib.md5(texts[number].encode()).hexdigest()
        assert alice.getProvenance(entity, version)["id"] == reference["activity_id"]
        assert sources_of(entity, version)[0] == [f"https://example.org/{number}"]
        stored = alice.get(entity, version=version, downloadFile=False)
        assert (stored.md5, stored.number) == (reference["md5"], [number])


def test_folders_of_parallel_tasks_are_created_once(connection, project, alice, tmp_path):
    tasks = []
    for number in range(32):
        path = tmp_path / f"{number}.txt"
        path.write_text(str(number))
        tasks.append({"path": str(path), "parent_id": project, "folder": "2026/november"})
    references = run_in_parallel(connection, tmp_path, "file", tasks)
    assert len({one["parent_id"] for one in references}) == 1
    assert len({one["id"] for one in references}) == len(tasks)
    assert [child["name"] for child in alice.getChildren(project)] == ["2026"]


def test_activity_of_table_names_the_sources_of_all_parallel_tasks(
    connection, project, alice, tmp_path, sources_of
):
    columns = [Column(name="number", columnType="INTEGER")]
    table = alice.store(Schema("t", columns, project)).id
    run_in_parallel(
        connection,
        tmp_path,
        "table",
        [
            {
                "table_id": table,
                "rows": [{"number": number}],
                "used": f"https://example.org/{number}",
            }
            for number in range(12)
        ],
    )
    expected = sorted(f"https://example.org/{number}" for number in range(12))
    assert sorted(sources_of(table)[0]) == expected
    rows = alice.tableQuery(f"select number from {table}").asDataFrame()
    assert sorted(rows["number"]) == list(range(12))
    snapshot = alice.create_snapshot_version(table, activity=alice.getProvenance(table)["id"])
    assert sorted(sources_of(table, snapshot)[0]) == expected

"""Tasks on two machines exchange files and rows; Synapse then contains what `dag.test` stores."""

from pathlib import Path

import pytest
from distributed.comparison import find_differences
from distributed.exchange_stories import LARGE, ROWS, STORIES, describe

TIMEOUT = 600


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_machines_store_what_one_machine_stores(exchange, story):
    runs = exchange.runs[story.name]
    exchange.cluster.wait_for_runs(runs, TIMEOUT)
    exchange.tests.wait()
    found, expected = (describe(story, world) for world in story.worlds)
    assert find_differences(found, expected) == []
    CHECKS.get(story.name, lambda *_: None)(exchange.cluster, runs[0], found)


def check_file(cluster, run, found):
    assert found["copy.txt"]["versions"][0]["activity"]["used"] == ["upper.txt.1"]
    assert found["upper.txt"]["versions"][0]["activity"]["used"] == ["source 00.txt.1"]


def check_rows(cluster, run, found):
    for name in ("csv", "parquet"):
        rows = [[f"{cell} {{salt}}", str(n)] for cell, n in ROWS]
        (version,) = found[name]["versions"]
        assert [[cell, str(n)] for cell, n in version["rows"]] == rows
        assert version["activity"]["used"] == ["Table.1"]


def check_mapped(cluster, run, found):
    number = cluster.options.concurrency + 1
    machines = {cluster.xcom(*run, "read", map_index=index)["machine"] for index in range(number)}
    assert machines == {"a", "b"}
    sources = [f"source {index:02}.txt.1" for index in range(number)]
    assert found["joined.txt"]["versions"][0]["activity"]["used"] == sources


def check_large(cluster, run, found):
    size, _ = cluster.xcom(*run, "count")
    assert size == LARGE
    edited = cluster.xcom(*run, "get_edited")
    assert not Path(edited["path"]).exists()
    path = cluster.locate("a", edited["path"])
    assert path.stat().st_size == LARGE
    assert path.read_bytes()[:6] == b"edited"


def check_caches(cluster, run, found):
    texts = {cluster.xcom(*run, f"read_wiped_{queue}") for queue in "ab"}
    assert len(texts) == 1
    assert texts.pop().startswith("text of source 00.txt")
    texts = {cluster.xcom(*run, f"read_spoilt_{queue}") for queue in "ab"}
    assert len(texts) == 1
    assert texts.pop().startswith("text of source 01.txt")


def check_appends(cluster, run, found):
    (version,) = found["rows"]["versions"]
    assert sorted(int(n) for _, n in version["rows"]) == list(range(12))
    assert version["activity"]["used"] == [f"source {number:02}.txt.1" for number in range(12)]


def check_stores(cluster, run, found):
    files = {f"a/b/c/{number:02}.txt" for number in range(32)}
    assert set(found) == {"project", "a", "a/b", "a/b/c", *files}


def check_versions(cluster, run, found):
    versions = found["one.txt"]["versions"]
    assert sorted(one["content"] for one in versions) == sorted(
        f"content {number}\n" for number in range(6)
    )
    assert {tuple(one["activity"]["used"]) for one in versions} == {("source 00.txt.1",)}


CHECKS = {
    "file": check_file,
    "rows": check_rows,
    "mapped": check_mapped,
    "large": check_large,
    "caches": check_caches,
    "appends": check_appends,
    "stores": check_stores,
    "versions": check_versions,
}

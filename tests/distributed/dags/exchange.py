"""DAGs whose tasks exchange files and rows between machines A and B.

Their parameters come from `exchange_stories`. In `dag.test`, all tasks run on one machine.
"""

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from airflow.sdk import dag, task

from synapse_workflows import (
    File,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableStoreOperator,
    local_path,
)

DATA = Path(__file__).with_name("exchange_data")
PARENT = {"parent_id": "{{ params.parent_id }}"}
BASE = {"parent_id": "", "source_ids": [], "table_ids": [], "dir": "", "number": "00"}


def get_machine() -> str:
    return os.environ.get("MACHINE", "")


def get_path(name: str) -> Path:
    """Return a path for a file that a task writes."""
    return Path(tempfile.mkdtemp(), name)


@dag(schedule=None, params=BASE)
def exchange_file():
    """Get on A, transform on B, store on A."""
    got = SynapseGetOperator(task_id="get", queue="a", entity_id="{{ params.source_ids[0] }}")

    @task(queue="b")
    def transform(reference, params):
        path = get_path("upper.txt")
        path.write_text(Path(local_path(reference)).read_text().upper())
        return SynapseHook().client.store(File(str(path), params["parent_id"], name="upper.txt"))

    SynapseStoreOperator(
        task_id="store", queue="a", path=transform(got.output), name="copy.txt", **PARENT
    )


@dag(schedule=None, params=BASE)
def exchange_rows():
    """Query on A, store rows on B, as CSV and as Parquet."""
    for index, output_format in enumerate(("csv", "parquet"), 1):
        rows = SynapseTableQueryOperator(
            task_id=f"query_{output_format}",
            queue="a",
            sql="select name, n from {{ params.table_ids[0] }} order by n",
            output_format=output_format,
        )
        SynapseTableStoreOperator(
            task_id=f"rows_{output_format}",
            queue="b",
            table_id=f"{{{{ params.table_ids[{index}] }}}}",
            rows=rows.output,
        )


def wait_for_both_machines(name: str) -> None:
    """Wait until this task runs on machine A and on machine B; not in `dag.test`."""
    folder = Path(os.environ["AIRFLOW_HOME"]).parent / "shared" / name
    if get_machine():
        folder.mkdir(exist_ok=True)
        (folder / get_machine()).touch()
        while len(list(folder.iterdir())) < 2:
            time.sleep(0.1)


@dag(schedule=None, params=BASE)
def exchange_mapped():
    """Get on A, read and store on both, compare on B."""

    @task
    def list_sources(params):
        return params["source_ids"]

    got = SynapseGetOperator.partial(task_id="get", queue="a").expand(entity_id=list_sources())

    @task
    def read(reference, run_id):
        wait_for_both_machines(f"readers of {run_id}")
        return {"text": Path(local_path(reference)).read_text(), "machine": get_machine()}

    @task(queue="b")
    def join(texts, params):
        path = get_path("joined.txt")
        path.write_text("".join(one["text"] for one in texts))
        return SynapseHook().client.store(File(str(path), params["parent_id"], name="joined.txt"))

    SynapseStoreOperator.partial(task_id="store", folder="copies", **PARENT).expand(
        path=got.output
    )
    join(read.expand(reference=got.output))


@dag(schedule=None, params=BASE)
def exchange_large():
    """A file of 200 MB: get on A, read on B, and store on B."""
    got = SynapseGetOperator(task_id="get", queue="a", entity_id="{{ params.source_ids[0] }}")

    @task(queue="b")
    def count(reference):
        path = Path(local_path(reference))
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
        return [path.stat().st_size, md5]

    @task(queue="b")
    def edit(reference, params):
        path = get_path("edited.bin")
        shutil.copyfile(local_path(reference), path)
        with path.open("r+b") as file:
            file.write(b"edited")
        stored = SynapseHook().client.store(File(str(path), params["parent_id"], name="edited"))
        path.unlink()
        return stored

    count(got.output)
    SynapseGetOperator(
        task_id="get_edited",
        queue="a",
        entity_id=edit(got.output),
        download_dir="{{ params.dir }}",
    )


@dag(schedule=None, params=BASE)
def exchange_caches():
    """Tasks whose file was deleted from the cache or overwritten between them."""
    wiped, spoilt = (
        SynapseGetOperator(
            task_id=f"get_{index}", queue="a", entity_id=f"{{{{ params.source_ids[{index}] }}}}"
        )
        for index in range(2)
    )

    @task(queue="a")
    def damage(to_wipe, to_spoil):
        shutil.rmtree(Path(to_wipe["path"]).parent)
        path = Path(to_spoil["path"])
        times = path.stat()
        path.write_bytes(b"x" * times.st_size)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    damaged = damage(wiped.output, spoilt.output)
    for queue in ("a", "b"):
        for name, reference in (("wiped", wiped.output), ("spoilt", spoilt.output)):

            @task(task_id=f"read_{name}_{queue}", queue=queue)
            def read(reference):
                return Path(local_path(reference)).read_text()

            stored = SynapseStoreOperator(
                task_id=f"store_{name}_{queue}",
                queue=queue,
                path=reference,
                name=f"{name}-{queue}.txt",
                **PARENT,
            )
            damaged >> read(reference) >> stored


@dag(schedule=None, params=BASE)
def exchange_appends():
    """Parallel appends to one table, each with a source of its own."""

    @task
    def list_appends(params):
        table = params["table_ids"][0]
        return [
            {"table_id": table, "rows": [{"name": f"row {n}", "n": n}], "used": [source]}
            for n, source in enumerate(params["source_ids"])
        ]

    SynapseTableStoreOperator.partial(task_id="append").expand_kwargs(list_appends())


@dag(schedule=None, params=BASE)
def exchange_stores():
    """Parallel stores into folders that do not exist."""
    paths = [str(DATA / f"{number:02}.txt") for number in range(32)]
    SynapseStoreOperator.partial(task_id="store", folder="a/b/c", **PARENT).expand(path=paths)


@dag(schedule=None, params=BASE)
def exchange_versions():
    """Store a version of the one file that several runs store in parallel."""
    SynapseStoreOperator(
        task_id="store",
        path=f"{DATA}/{{{{ params.number }}}}.txt",
        name="one.txt",
        used=["{{ params.source_ids[0] }}"],
        **PARENT,
    )


for create in (
    exchange_file,
    exchange_rows,
    exchange_mapped,
    exchange_large,
    exchange_caches,
    exchange_appends,
    exchange_stores,
    exchange_versions,
):
    create()

"""Task code stores rows with `SynapseHook.store_rows`, once per call, over all tries of a task."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from random import Random

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException
from support.execution_api import Run
from support.prepared_entities import create_table, read_rows

from synapse_workflows import Column, SynapseHook, SynapseTableStoreOperator

_names = count(1)
A, B, C, D = ([{"a name": name, "n": n}] for n, name in enumerate("abcd", 1))


class WorkerStoppedError(RuntimeError):
    """Simulated stop of the worker."""


@pytest.fixture
def run_code(api):
    """Function that runs a function as a task; returns the results of its tries, and its run."""

    def run(code, tries=1):
        with DAG("code", schedule=None) as dag:

            @task(task_id="code", retries=5)
            def call(ti=None):
                return code(SynapseHook(), ti.try_number)

            call()
        dag_run = Run(api, dag, f"run_{next(_names)}")
        return [dag_run.task("code", max_tries=5) for _ in range(tries)], dag_run

    return run


@pytest.fixture
def other_table(alice, project):
    columns = [
        Column(name="a name", columnType="STRING"),
        Column(name="n", columnType="INTEGER"),
    ]
    return create_table(alice, project, "Others", columns)


@pytest.fixture
def rows_of(alice):
    """Function that returns the rows of a table as text, for example `a1 b2`."""

    def get_rows(table):
        return " ".join(f"{name}{n}" for name, n in read_rows(alice, table))

    return get_rows


def test_rows_are_stored_with_the_lineage_of_the_task(
    run_code, filled, rows_of, put, sources_of, alice
):
    source = put()

    def code(hook, _):
        hook.client.get(source)
        return hook.store_rows(
            filled,
            [{"a name": "b", "n": 20}, {"a name": "d", "n": 4}],
            "upsert",
            key="a name",
            used="https://example.com/more",
            executed="https://example.com/code.py",
            activity_name="Nightly counts",
        )

    (result,), run = run_code(code)
    assert result.state == "success", result.error
    assert rows_of(filled) == "a1 b20 c3 d4"
    value = run.value("code")
    assert value == {
        "id": filled,
        "version": 1,
        "added": 1,
        "changed": 1,
        "deleted": 0,
        "activity_id": value["activity_id"],
        "synapse_conn_id": "synapse_default",
    }
    used, executed = sources_of(filled)
    assert sorted(used) == sorted(["https://example.com/more", source])
    assert "https://example.com/code.py" in executed
    assert alice.getProvenance(filled)["name"] == "Nightly counts"


def test_rows_are_stored_outside_of_a_task(connection, monkeypatch, table, rows_of):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    hook = SynapseHook()
    assert hook.store_rows(table, A + B)["added"] == 2
    assert hook.store_rows(table, A)["added"] == 1
    assert hook.store_rows(table, C, mode="replace")["deleted"] == 3
    result = hook.store_rows(table, C, mode="upsert", key=["n"])
    assert (result["added"], result["changed"], result["activity_id"]) == (0, 0, None)
    assert rows_of(table) == "c3"


def appends(hook, table, other):
    """Two calls with equal rows are two calls."""
    for rows in (A, B, B, C):
        hook.store_rows(table, rows)


def empty_calls(hook, table, other):
    hook.store_rows(table, [], missing_columns=True)
    hook.store_rows(table, A)
    hook.store_rows(table, [], missing_columns=True)
    hook.store_rows(table, A)


def several_tables(hook, table, other):
    hook.store_rows(table, A)
    hook.store_rows(other, A)
    hook.store_rows(table, B)
    hook.store_rows(other, A)


def mixed_modes(hook, table, other):
    hook.store_rows(table, A + B)
    hook.store_rows(table, [{"a name": "z", "n": 2}], "upsert", key="n")
    hook.store_rows(table, C)
    hook.store_rows(table, [{"a name": "y", "n": 2}], "upsert", key="n")


def replace_and_append(hook, table, other):
    hook.store_rows(table, A + B, "replace")
    hook.store_rows(table, C)
    hook.store_rows(table, C)


def replace_twice(hook, table, other):
    hook.store_rows(table, A + B, "replace")
    hook.store_rows(table, [{"a name": "z", "n": 2}], "upsert", key="n")
    hook.store_rows(table, C, "replace")
    hook.store_rows(table, D)


def mirror_and_append(hook, table, other):
    hook.store_rows(table, A + B, "upsert", key="n", delete_missing=True)
    hook.store_rows(table, C)
    hook.store_rows(table, B + C + D, "upsert", key="n", delete_missing=True)
    hook.store_rows(table, A)


#: Task code, and the rows of the two tables at the end.
CODES = {
    appends: ("a1 b2 b2 c3", ""),
    empty_calls: ("a1 a1", ""),
    several_tables: ("a1 b2", "a1 a1"),
    mixed_modes: ("a1 y2 c3", ""),
    replace_and_append: ("a1 b2 c3 c3", ""),
    replace_twice: ("c3 d4", ""),
    mirror_and_append: ("b2 c3 d4 a1", ""),
}


class StoppingApi:
    """Wrapper of the Execution API that stops each try of a task at one of its first saves.

    The save is sometimes stored and sometimes not.
    """

    def __init__(self, api, seed):
        self.random = Random(seed)  # noqa: S311
        self.save = api._store
        api._store = self.answer
        self.begin_try()

    def begin_try(self):
        self.remaining, self.after = (
            self.random.choice([1, 2, 3, 4, 9, 30]),
            self.random.random() < 0.7,
        )

    def answer(self, request, parts, body):
        if request.method == "PUT" and parts[2].startswith("synapse_rows"):
            self.remaining -= 1
            if self.remaining == 0:
                if self.after:
                    self.save(request, parts, body)
                raise WorkerStoppedError
        return self.save(request, parts, body)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("code", CODES)
def test_task_that_stops_many_times_stores_the_rows_of_each_call_once(
    run_code, table, other_table, rows_of, api, code, seed
):
    stopping = StoppingApi(api, seed)

    def store(hook, _):
        stopping.begin_try()
        code(hook, table, other_table)

    (result,), run = run_code(store)
    for _ in range(100):
        if result.state == "success":
            break
        assert isinstance(result.error, WorkerStoppedError)
        result = run.task("code", max_tries=1000)
    assert result.state == "success"
    assert (rows_of(table), rows_of(other_table)) == CODES[code]


@pytest.mark.parametrize("code", CODES)
def test_retry_after_a_late_failure_stores_no_row_again(
    run_code, table, other_table, rows_of, code
):
    def fail_late(hook, try_number):
        code(hook, table, other_table)
        if try_number < 3:
            raise RuntimeError

    results, _ = run_code(fail_late, 3)
    assert [result.state for result in results] == ["up_for_retry", "up_for_retry", "success"]
    assert (rows_of(table), rows_of(other_table)) == CODES[code]


def test_cleared_task_repeats_all_calls(run_code, table, rows_of):
    def code(hook, _):
        hook.store_rows(table, A)
        hook.store_rows(table, B)

    _, run = run_code(code)
    assert run.task("code", max_tries=5 + 6).state == "success"
    assert rows_of(table) == "a1 b2 a1 b2"


def test_call_repeated_in_the_same_try_after_an_error_stores_rows_once(
    run_code, table, rows_of, api
):
    """The job runs, but its result is lost."""
    save = api._store

    def store(request, parts, body):
        if request.method == "PUT" and '"counts"' in body:
            api._store = save
            raise WorkerStoppedError
        return save(request, parts, body)

    def code(hook, _):
        hook.store_rows(table, A)
        api._store = store
        with pytest.raises(WorkerStoppedError):
            hook.store_rows(table, B)
        hook.store_rows(table, B)
        hook.store_rows(table, B)

    (result,), _ = run_code(code)
    assert result.state == "success", result.error
    assert rows_of(table) == "a1 b2 b2"


def test_retry_appends_its_chunks_in_another_order(run_code, table, rows_of):
    def code(hook, try_number):
        for rows in (A, B, C) if try_number == 1 else (C, A, B, D):
            hook.store_rows(table, rows)
        if try_number == 1:
            raise RuntimeError

    results, _ = run_code(code, 2)
    assert results[1].state == "success", results[1].error
    assert rows_of(table) == "a1 b2 c3 d4"


@pytest.mark.parametrize("second", [(A, C), (C, A, B), (C,)])
def test_retry_with_changed_rows_fails_before_it_appends_them(run_code, table, rows_of, second):
    def code(hook, try_number):
        for rows in (A, B) if try_number == 1 else second:
            hook.store_rows(table, rows)
        if try_number == 1:
            raise RuntimeError

    results, run = run_code(code, 2)
    assert results[1].state == "failed"
    added = 1 if second[0] is A else 2
    assert f"added {added} rows to {table}, with ROW_ID above {2 - added}" in str(results[1].error)
    assert rows_of(table) == "a1 b2"
    assert run.task("code", max_tries=11).state == "success"
    assert rows_of(table).split()[2:] == [
        f"{row['a name']}{row['n']}"
        for rows in second
        for row in rows
        if row is not A[0] or added == 2
    ]


def test_retry_that_replaces_other_rows_appends_the_later_rows_again(run_code, table, rows_of):
    def code(hook, try_number):
        hook.store_rows(table, [*A, {"a name": "x", "n": try_number}], "replace")
        hook.store_rows(table, B)
        if try_number == 1:
            raise RuntimeError

    results, _ = run_code(code, 2)
    assert results[1].state == "success", results[1].error
    assert rows_of(table) == "a1 x2 b2"


def test_retry_that_upserts_other_rows_replaces_them_again(run_code, table, rows_of):
    def code(hook, try_number):
        hook.store_rows(table, [{"a name": "x", "n": try_number}], "upsert", key="n")
        hook.store_rows(table, A, "replace")
        if try_number < 3:
            raise RuntimeError

    results, _ = run_code(code, 3)
    assert results[2].state == "success", results[2].error
    assert rows_of(table) == "a1"


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_threads_of_a_task_store_the_rows_of_each_call_once(run_code, table, rows_of, mode):
    def code(hook, try_number):
        def store(n):
            rows = [{"a name": "x", "n": n}]
            SynapseHook().store_rows(table, rows, mode, key="n" if mode == "upsert" else None)

        with ThreadPoolExecutor(4) as pool:
            for first in range(0, try_number * 4, 4):  # repeated calls come before new calls
                list(pool.map(store, range(first, first + 4)))
        if try_number < 3:
            raise RuntimeError

    results, _ = run_code(code, 3)
    assert results[2].state == "success", results[2].error
    assert sorted(rows_of(table).split()) == sorted(f"x{n}" for n in range(12))


def test_operator_and_hook_share_the_machinery(api, table, rows_of):
    def store_more(context, result=None):
        SynapseHook().store_rows(table, B)
        if context["ti"].try_number == 1:
            raise RuntimeError

    with DAG("both", schedule=None) as dag:
        SynapseTableStoreOperator(
            task_id="store", retries=5, table_id=table, rows=A, post_execute=store_more
        )
    run = Run(api, dag)
    assert [run.task("store", max_tries=5).state for _ in range(2)] == ["up_for_retry", "success"]
    assert rows_of(table) == "a1 b2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "insert"}, "Invalid mode 'insert'"),
        ({"mode": "upsert"}, "requires key="),
        ({"mode": "upsert", "key": 5}, "Invalid key of type int"),
        ({"mode": "upsert", "key": {"n"}}, "Invalid key of type set"),
        ({"mode": "upsert", "key": ["n", 5]}, "Invalid key of type list"),
        ({"mode": "upsert", "key": "n", "where": {5: 1}}, "Invalid where of type int"),
        ({"mode": "upsert", "key": "n", "delete_missing": "False"}, "Invalid delete_missing"),
        ({"missing_columns": ["n"]}, "Invalid missing_columns of type list: expected True or"),
        ({"allow_empty": 1}, "Invalid allow_empty"),
        ({"match_case": None}, "Invalid match_case: expected True or False, not None"),
        ({"chunk_rows": 0}, "Invalid chunk_rows of type int: expected a positive number of rows"),
        ({"chunk_rows": "10"}, "Invalid chunk_rows of type str"),
        ({"used": 5}, "Invalid used"),
        ({"activity_name": {}}, "Invalid activity_name"),
    ],
)
def test_invalid_arguments_fail_at_once(connection, monkeypatch, table, arguments, message):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    with pytest.raises(AirflowFailException, match=message):
        SynapseHook().store_rows(table, A, **arguments)

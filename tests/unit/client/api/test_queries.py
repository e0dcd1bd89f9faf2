"""Tests of the arguments and the requests of `tableQuery`."""

import pytest

from synapse_workflows.client.api import queries
from synapse_workflows.constants import MODEL

PATH = "/entity/syn5/table/query/async"


@pytest.mark.parametrize("results_as", ["panda", "", None])
def test_unknown_result_format_is_rejected(syn, results_as):
    with pytest.raises(ValueError, match="Unknown return type requested from tableQuery"):
        syn.tableQuery("select * from syn5", resultsAs=results_as)


@pytest.mark.parametrize("query", ["select 1", "select * from table", "select * from 123", ""])
def test_query_without_table_id_is_rejected(syn, query):
    with pytest.raises(ValueError, match="Couldn't extract synapse ID from query"):
        syn.tableQuery(query)


@pytest.mark.parametrize(
    ("results_as", "options"),
    [
        ("csv", {"limit": 5}),
        ("rowset", {"header": True}),
        ("rowset", {"partMask": 1}),
    ],
)
def test_argument_of_other_result_format_is_rejected(syn, results_as, options):
    with pytest.raises(TypeError):
        syn.tableQuery("select * from syn5", resultsAs=results_as, **options)


@pytest.mark.parametrize(
    ("options", "names"),
    [({"limit": 1}, "limit"), ({"offset": 0}, "offset"), ({"limit": 1, "offset": 2}, "limit and")],
)
def test_paging_of_a_csv_result_is_rejected_with_advice(syn, options, names):
    with pytest.raises(TypeError, match=rf"no {names}.* resultsAs='rowset'.*SQL.* LIMIT"):
        syn.tableQuery("select * from syn5", **options)


@pytest.mark.parametrize(
    ("query", "table"),
    [
        ("select * from syn5", "syn5"),
        ("SELECT a\nFROM\tSYN5.12 where b = 1", "syn5.12"),
        ("""select "from syn7", ' from syn8' from syn5""", "syn5"),
        ('select \'it\'\'s from syn7\' as "a ""from syn8""" from syn5 t', "syn5"),
    ],
)
def test_parse_table_id(query, table):
    found = queries.parse_table_id(query)
    assert (found.id if found.version is None else f"{found.id}.{found.version}") == table


def test_invalid_csv_dialect_is_rejected_before_any_request(syn, http):
    with pytest.raises(ValueError, match="separator must be one character"):
        syn.tableQuery("select * from syn5", separator="::")
    assert not http.calls


def test_pages_are_fetched_lazily(syn, add_jobs, get_job_requests):
    def page(number):
        rowset = {
            "tableId": "syn5",
            "headers": [{"name": "n", "columnType": "INTEGER"}],
            "rows": [{"rowId": number, "versionNumber": 1, "values": [str(number)]}],
        }
        return {"queryResults": rowset}

    token = {"concreteType": f"{MODEL}.table.QueryNextPageToken", "token": "t"}
    next_page_path = "/entity/syn5/table/query/nextPage/async"
    add_jobs(PATH, {"queryResult": {**page(1), "nextPageToken": token}, "queryCount": 2})
    add_jobs(next_page_path, page(2))
    sql = "SELECT n FROM syn5.3"
    result = syn.tableQuery(sql, resultsAs="rowset", limit=2, offset=1)
    assert get_job_requests(PATH) == [
        {
            "concreteType": f"{MODEL}.table.QueryBundleRequest",
            "query": {"sql": sql, "includeEntityEtag": True, "limit": 2, "offset": 1},
        }
    ]
    assert get_job_requests(next_page_path) == []
    assert [row["values"] for row in result] == [[1], [2]]
    assert get_job_requests(next_page_path) == [token]


def test_is_consistent_is_not_sent(syn, add_jobs, get_job_requests, log_messages):
    add_jobs(PATH, {})
    syn.tableQuery("select * from syn5", resultsAs="rowset", isConsistent=False)
    assert log_messages == ["isConsistent=False has no effect: Synapse ignores it."]
    assert "isConsistent" not in str(get_job_requests(PATH))


def test_table_is_fetched_for_events_only_if_needed(syn, http, add_jobs, repo_url):
    """It is needed with a listener, for a query without a version."""
    add_jobs(PATH, {}, {})
    syn.tableQuery("select * from syn5", resultsAs="rowset")
    syn.subscribe(lambda _: None)
    syn.tableQuery("select * from syn5.2", resultsAs="rowset")
    assert not [call for call in http.calls if call.request.url == f"{repo_url}/entity/syn5"]

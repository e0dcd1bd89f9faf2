"""Arguments of queries that are for the other kind of result."""

import pytest

from synapse_workflows import Synapse


@pytest.mark.parametrize(
    ("options", "named"),
    [({"limit": 1}, "limit"), ({"offset": 0}, "offset"), ({"limit": 1, "offset": 2}, "limit and")],
)
def test_pages_of_a_csv_file_are_asked_for_in_the_sql(tmp_path, options, named):
    with (
        Synapse(
            skip_checks=True,
            silent=True,
            cache_root_dir=str(tmp_path / "cache"),
            configPath=str(tmp_path / "none"),
        ) as syn,
        pytest.raises(TypeError, match=rf"no {named}.* resultsAs='rowset'.*SQL.* LIMIT"),
    ):
        syn.tableQuery("select * from syn5", **options)

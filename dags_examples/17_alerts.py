"""Send messages about failures, and about runs that take too long.

Set: the connection `synapse_default`, and the recipients `TO`: user names, teams (`team:3600443`)
or IDs. Synapse also sends the messages as e-mails, according to the settings of each recipient.
`[api] base_url` of Airflow is the address in the links.

See: a message with the exception, the number of the try and a link to the log when `check` fails
after its last retry; no message for a try that is repeated. The log says if a message could not be
sent; the state of the task stays the same. There is a message about a run of more than an hour.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference, Param, dag, task

from synapse_workflows import SynapseHook, SynapseNotifier

TO = ["alice"]
TOO_LONG = DeadlineAlert(
    reference=DeadlineReference.DAGRUN_QUEUED_AT,
    interval=timedelta(hours=1),
    callback=AsyncCallback(
        SynapseNotifier,
        kwargs={"to": TO, "subject": "{{ dag_run.dag_id }} takes longer than an hour"},
    ),
)


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    deadline=TOO_LONG,
    default_args={"retries": 1, "on_failure_callback": SynapseNotifier(to=TO)},
    params={
        "table": Param("syn10000006", description="Table", pattern=r"^syn\d+$"),
        "min_rows": Param(1000, description="Fewer rows are a failure", type="integer"),
    },
)
def synapse_17_alerts() -> None:
    """A check that fails."""

    @task
    def check(params: dict[str, Any]) -> int:
        """Return the number of rows; fail if there are too few."""
        sql = f"select count(*) from {params['table']}"  # noqa: S608 - an ID
        (rows,) = SynapseHook().get_first(sql)
        if rows < params["min_rows"]:
            raise ValueError(f"{params['table']} has {rows} rows: {params['min_rows']} expected")
        return rows

    check()


synapse_17_alerts()

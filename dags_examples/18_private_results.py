"""Let participants read only the results of their own submissions.

Set: the connection `synapse_default`, and the parameters of the run: the evaluation queue, and the
folder in which `SynapseScoreSubmissionOperator` or `create_challenge_dag` stores the results. Only
organizers may read that folder. The defaults are the IDs of a new local Synapse with the seeds
`demo` and `challenge`. With `dry_run` set to True in this file, nothing is changed.

See: one task instance for each submission. Its folder gets an access control list of its own: that
of the organizers, and READ and DOWNLOAD for the submitter, or the members of the team. The log
says what changed; a second run changes nothing. An instance that would make a folder public fails.
"""

from typing import Any

from airflow.sdk import Param, dag, task

from synapse_workflows import SynapseHook, SynapseSetPermissionsOperator

ACCESS = ["READ", "DOWNLOAD"]


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "queue": Param("9600001", description="Evaluation queue", pattern=r"^\d+$"),
        "results_id": Param("syn10000010", description="Folder of results", pattern=r"^syn\d+$"),
    },
)
def synapse_18_private_results() -> None:
    """Submissions -> permissions on the folders of their results."""

    @task
    def grants(params: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the folder of each scored submission, and who may read it."""
        hook = SynapseHook()
        found = []
        with hook.without_lineage():
            for submission in hook.client.getSubmissions(params["queue"], status="SCORED"):
                folder = hook.client.findEntityId(submission.id, params["results_id"])
                if folder is not None:
                    users = [str(one["principalId"]) for one in submission.contributors]
                    found.append({"entity_id": folder, "grants": dict.fromkeys(users, ACCESS)})
        return found

    SynapseSetPermissionsOperator.partial(
        task_id="grant", if_inherited="create", dry_run=False
    ).expand_kwargs(grants())


synapse_18_private_results()

"""Run submitted Docker images in containers without network, and score what they predict.

Set: the connections `synapse_default` and `docker_synapse` (registry docker.synapse.org), the IDs
and the directories, which workers share with the Docker host. Without the provider for Docker
(`apache-airflow-providers-docker`), this file defines no DAG. Results are not shared: see 18.

See: the Activity of `results.json` lists the image with its digest as executed; its output is in
the log of `run`. A submission whose container fails is marked OPEN when its lease has ended.
"""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag, task, task_group

from synapse_workflows import (
    SynapseClaimSubmissionsOperator,
    SynapseHook,
    SynapseReapSubmissionsOperator,
    SynapseScoreSubmissionOperator,
    synapse_submissions_asset,
)

try:
    from airflow.providers.docker.operators.docker import DockerOperator
    from docker.types import Mount
except ImportError:
    DockerOperator = None

QUEUE, GOLDSTANDARD, RESULTS = "9600002", "syn10000009", "syn10000010"
INPUT, OUTPUT = "/srv/challenge/input", "/srv/challenge/output"
RUN = "ti.xcom_pull('evaluate.prepare', map_indexes=ti.map_index)"


@dag(schedule=synapse_submissions_asset(QUEUE), tags=["synapse", "example"], doc_md=__doc__)
def synapse_05_docker_challenge() -> None:
    """Submitted images -> predictions -> scores."""
    reap = SynapseReapSubmissionsOperator(task_id="reap", evaluation_id=QUEUE, on_expired="mark")
    claim = SynapseClaimSubmissionsOperator(task_id="claim", evaluation_id=QUEUE, lease=14400)
    reap >> claim

    @task_group
    def evaluate(submission: dict) -> None:
        @task
        def prepare(claim: dict) -> dict[str, str]:
            client = SynapseHook().client
            image = client.getSubmission(claim["submission_id"], downloadFile=False)
            output = Path(OUTPUT, claim["submission_id"])
            output.mkdir(parents=True, exist_ok=True)
            name, digest = image.dockerRepositoryName, image.dockerDigest
            return {"image": f"{name}@{digest}", "output": str(output)}

        run = DockerOperator(
            task_id="run",
            image=f"{{{{ {RUN}['image'] }}}}",
            mounts=[
                Mount(source=INPUT, target="/input", type="bind", read_only=True),
                Mount(source=f"{{{{ {RUN}['output'] }}}}", target="/output", type="bind"),
            ],
            docker_conn_id="docker_synapse",
            network_mode="none",
            auto_remove="force",
            mount_tmp_dir=False,
            execution_timeout=timedelta(hours=2),  # less than the lease
        )
        score = SynapseScoreSubmissionOperator(
            task_id="score",
            submission=submission,
            predictions=f"{{{{ {RUN}['output'] }}}}/predictions.csv",
            scorer="04_challenge/score.py",
            goldstandard_id=GOLDSTANDARD,
            results_parent_id=RESULTS,
        )
        prepare(submission) >> run >> score

    evaluate.expand(submission=claim.output)


if DockerOperator:
    synapse_05_docker_challenge()

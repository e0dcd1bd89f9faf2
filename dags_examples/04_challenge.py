"""Run a challenge: notice, claim, validate, score, report and rank submissions.

Set: the connection `synapse_default`, and the settings in `04_challenge.yaml`. The IDs are those
of a new local Synapse with the seeds `demo` and `challenge`. For another challenge, copy the YAML
file, and call `create_challenge_dag` with it.

See: one task instance for each submission. `results.json` of each has an Activity with the
submitted version, the gold standard and the code. Participants get messages. `leaderboard.csv`
names the submissions that it ranks. A submission that fails to be scored gets the status OPEN.
"""

from pathlib import Path

from airflow.sdk import DAG

from synapse_workflows import create_challenge_dag

dag: DAG = create_challenge_dag(Path(__file__).with_suffix(".yaml"))

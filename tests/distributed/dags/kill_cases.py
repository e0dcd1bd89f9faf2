"""DAGs of one task each, from the pickled cases in the folder with the name of this file.

The task reaches Synapse through a proxy of its own. Its connection is set when its process parses
this file; see `kill_cases`.
"""

import os
import pickle
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

tested = os.environ.get("TESTED_DAG")  # `dag.test` parses without a context
wanted = tested or get_parsing_context().dag_id
for path in sorted(Path(__file__).with_suffix("").glob("*.pickle")):
    if wanted not in (None, path.stem):
        continue
    case = pickle.loads(path.read_bytes())  # noqa: S301 - written by the test
    if wanted:
        os.environ["AIRFLOW_CONN_SYNAPSE_DEFAULT"] = case["connection"]
    with DAG(path.stem, schedule=None, default_args={"queue": "killed"}) as dag:
        case["create"](task_id="store", retries=5, **case["arguments"])
    globals()[path.stem] = dag

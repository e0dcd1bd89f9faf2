"""Run DAGs in this process, after creating Airflow's database in it.

python -m support.airflow_runs DAG_ID CONF_JSON [DAG_ID CONF_JSON ...]
"""

import sys

from airflow.utils.db import initdb

from synapse_workflows.demo.run_dags import main

if __name__ == "__main__":
    initdb()
    main(sys.argv[1:])

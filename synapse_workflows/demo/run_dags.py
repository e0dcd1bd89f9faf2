"""Run `airflow dags test` for several DAGs in one process, so that Airflow starts only once.

python -m synapse_workflows.demo.run_dags DAG_ID CONF_JSON [DAG_ID CONF_JSON ...]
"""

import gc
import sys

gc.set_threshold(50_000, 20, 100)  # as `preloaded_airflow`

from airflow.cli.cli_parser import get_parser  # noqa: E402


def main(arguments: list[str]) -> None:
    """Run DAGs one after the other; on the first failure, exit with its status.

    Args:
        arguments: Pairs of a DAG ID and the parameters of its run as JSON.
    """
    for dag_id, conf in zip(arguments[::2], arguments[1::2], strict=True):
        command = get_parser().parse_args(["dags", "test", dag_id, "--conf", conf])
        command.func(command)


if __name__ == "__main__":
    main(sys.argv[1:])

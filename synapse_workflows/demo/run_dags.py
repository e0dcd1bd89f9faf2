"""`airflow dags test` for several DAGs in one process: Airflow takes seconds to start, once.

python -m synapse_workflows.demo.run_dags DAG_ID CONF_JSON [DAG_ID CONF_JSON ...]
"""

import sys

from airflow.cli.cli_parser import get_parser


def main(words: list[str]) -> None:
    """Run one DAG after the other; the first that fails ends it with a status of its own.

    Args:
        words: pairs of a DAG's id and the parameters of its run as JSON.
    """
    for dag_id, conf in zip(words[::2], words[1::2], strict=True):
        arguments = get_parser().parse_args(["dags", "test", dag_id, "--conf", conf])
        arguments.func(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])

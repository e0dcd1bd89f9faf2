"""Run a component of Airflow with this package imported.

The scheduler with its LocalExecutor forks the processes of tasks, and the DAG processor those that
parse files. They inherit the imported modules, which saves each of them more than half a second of
processor time.

python -m synapse_workflows.demo.preloaded_airflow COMPONENT [OPTION ...]
"""

import sys

from airflow.cli.cli_parser import get_parser

import synapse_workflows


def main(arguments: list[str]) -> None:
    """Run a component until it is stopped.

    Args:
        arguments: Arguments of the command `airflow`, such as `scheduler`.
    """
    for name in synapse_workflows.__all__:
        getattr(synapse_workflows, name)
    command = get_parser().parse_args(arguments)
    command.func(command)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Run a component of Airflow with few garbage collections and with this package imported.

The default thresholds of the garbage collector spend a quarter of the time of a start on
collections among modules, which all stay.

The scheduler with its LocalExecutor forks the processes of tasks, the DAG processor those that
parse files, and the triggerer that of the triggers. They inherit the imported modules, which saves
each of them more than half a second of processor time.

python -m synapse_workflows.demo.preloaded_airflow COMPONENT [OPTION ...]
"""

import gc
import sys

gc.set_threshold(50_000, 20, 100)

from airflow.cli.cli_parser import get_parser  # noqa: E402

import synapse_workflows  # noqa: E402


def main(arguments: list[str]) -> None:
    """Run a component until it is stopped.

    Args:
        arguments: Arguments of the command `airflow`, such as `scheduler`.
    """
    if arguments[0] in {"scheduler", "dag-processor"}:
        for name in synapse_workflows.__all__:
            getattr(synapse_workflows, name)
    command = get_parser().parse_args(arguments)
    command.func(command)


if __name__ == "__main__":
    main(sys.argv[1:])

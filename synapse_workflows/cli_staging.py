"""Command line of the staging area: clean."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Final

import typer

from synapse_workflows.cli_errors import fail

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Remove files that tasks have staged. The staging area is `[synapse] staging` of the "
    "Airflow configuration on this machine.",
)


@app.callback()
def main() -> None:
    """Make a group of a single command."""


@app.command()
def clean(
    *,
    older_than: Annotated[
        str,
        typer.Option(
            help="Minimum age of the files to remove: a number with s, m, h, d or w, such as 7d. "
            "Use more than the longest time from the task that stages a file to the last task "
            "that takes it, including retries."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the files, and remove nothing.")
    ] = False,
) -> None:
    """Remove staged files of all DAGs that are older than a limit, and interrupted uploads.

    Only files that `staged` has written are removed. A connection in the URL is looked up as the
    Airflow server does: in the environment, the secrets backend and the metadata database.
    """
    age = _parse_age(older_than)
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")  # to read connections
    from airflow.sdk.exceptions import AirflowException

    from synapse_workflows.client.errors import SynapseError
    from synapse_workflows.staging.cleanup import clean_staging

    try:
        with _printed_log():
            clean_staging(age, dry_run=dry_run)
    except (SynapseError, AirflowException) as error:
        fail(error)


def _parse_age(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip().lower())
    if match is None or int(match[1]) == 0:
        raise typer.BadParameter(
            f"Invalid age {text!r}: expected a number with s, m, h, d or w, such as 7d.",
            param_hint="--older-than",
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@contextmanager
def _printed_log() -> Iterator[None]:
    """Print the log of the cleanup to standard output, once: Airflow prints logs there, too."""
    log, handler = (
        logging.getLogger("synapse_workflows.staging"),
        logging.StreamHandler(sys.stdout),
    )
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = True

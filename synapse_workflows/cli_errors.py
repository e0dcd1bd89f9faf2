"""Errors of the command line."""

from typing import NoReturn

import typer


def fail(error: Exception, status: int = 1) -> NoReturn:
    """Print an error without a traceback and exit.

    Args:
        error: What failed.
        status: Exit status.
    """
    typer.echo(f"Error: {error}", err=True)
    raise typer.Exit(status) from None

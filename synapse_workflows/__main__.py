"""Entry point of the `synapse-workflows` command and of `python -m synapse_workflows`."""

import sys
from types import MappingProxyType
from typing import Final

#: Optional module -> the extra of this package that installs it.
EXTRAS: Final = MappingProxyType(
    {
        "anyio": "local",
        "boto3": "s3",
        "fastapi": "local",
        "jwt": "local",
        "markdown_it": "local",
        "pandas": "pandas",
        "paramiko": "sftp",
        "prov": "provenance",
        "psutil": "local",
        "pyarrow": "parquet",
        "rocrate": "provenance",
        "sqlalchemy": "local",
        "sqlglot": "local",
        "starlette": "local",
        "typer": "local",
        "uvicorn": "local",
    }
)


def main() -> None:
    """Run the command line.

    Exits with status 1 and names the extra to install if a command needs a module that is not
    installed.
    """
    try:
        from synapse_workflows.cli import app

        app()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS:
            raise
        sys.stderr.write(
            f"Error: this command needs {missing}, which is not installed. "
            f"Install synapse-workflows[{EXTRAS[missing]}]: "
            f"pip install 'synapse-workflows[{EXTRAS[missing]}]'\n"
        )
        sys.exit(1)


if __name__ == "__main__":
    main()

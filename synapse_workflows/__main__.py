"""Run the command line as `python -m synapse_workflows`."""

from synapse_workflows.cli import app

if __name__ == "__main__":
    app()

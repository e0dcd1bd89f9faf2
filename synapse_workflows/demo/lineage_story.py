"""The demo of lineage: two DAGs, and the provenance of their last result as text and drawing.

<folder>/synapse/       data of the local Synapse, its service.json and its log
<folder>/airflow/       AIRFLOW_HOME
<folder>/provenance.*   drawings of the provenance
<folder>/*.log          output of Airflow
"""

import json
from pathlib import Path
from typing import Final

from synapse_workflows.demo.dag_selection import select_dags
from synapse_workflows.demo.processes import ProcessError, run_service
from synapse_workflows.demo.runner import (
    airflow_environment,
    create_client,
    echo,
    migrate_database,
    run_airflow_command,
    show_next_steps,
    step,
)
from synapse_workflows.provenance.export import export_provenance
from synapse_workflows.provenance.tree import render_tree

_RESULT: Final = "report.md"


def run_lineage(folder: Path) -> None:
    """Run the two DAGs one after the other; show the provenance of the report.

    Args:
        folder: Working directory of the demo; a second run continues with its content.

    Raises:
        ProcessError: A process failed, or there is no report.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    echo("Two DAGs: raw data -> cleaned data -> model -> report. No account, no network.\n")
    with run_service(folder / "synapse", seeds=["demo"], s3="off") as service:
        echo(f"  the local Synapse runs at {service['repoEndpoint']}")
        environment = airflow_environment(folder, service)
        migrate_database(environment, folder)
        seed = service["seed"]
        parent = {"parent_id": seed["results"]}
        runs = {
            "synapse_07_clean": {"entity_id": seed["data"], **parent},
            "synapse_08_model": parent,
        }
        environment |= select_dags(runs)
        arguments = [word for dag, conf in runs.items() for word in (dag, json.dumps(conf))]
        with step(f"running {' and '.join(runs)} under Airflow"):
            run_airflow_command(
                environment,
                folder / "dags.log",
                *arguments,
                module="synapse_workflows.demo.run_dags",
            )
        syn = create_client(service, folder)
        report = syn.findEntityId(_RESULT, seed["results"])
        if report is None:
            raise ProcessError(f"No {_RESULT} was stored; see {folder / 'dags.log'}")
        echo(f"\nThe story of the report (synapse-workflows provenance {report}):\n")
        echo(render_tree(syn, report))
        echo("\nThe same as drawings:\n")
        for format_ in ("svg", "html"):
            path = folder / f"provenance.{format_}"
            export_provenance(syn, report, path=path, overwrite=True)
            echo(f"  {path}")
    echo("")
    show_next_steps(folder)

"""Write the report of each run as a wiki page, with a chart and the sources of its numbers.

Set: the connection `synapse_default`, and the parameters: a CSV file such as
data/breast_cancer_wisconsin.csv, one of its columns, and the project of the wiki. The text is the
template 09_run_report.md beside this file. The IDs are those of a new local Synapse.

See: the wiki of the project has a page for each run. It shows the chart, and ends with the version
of the file from which the numbers come and with the code. A retry makes no second page or version.
"""

import csv
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow.sdk import Param, dag, task

from synapse_workflows import SynapseGetOperator, SynapseHook, SynapseWikiOperator, local_path

BAR = '<rect y="{y}" width="{width}" height="18" fill="#2f7e8c"/>'
LABEL = '<text x="{x}" y="{y}" font-family="sans-serif" font-size="14">{text}</text>'


def draw_bars(counts: dict[str, int]) -> str:
    """Return an SVG drawing with a bar for each value."""
    largest = max(counts.values(), default=1)
    parts = []
    for row, (name, count) in enumerate(sorted(counts.items())):
        width = 300 * count // largest
        text = f"{count} {name}".translate({38: "&amp;", 60: "&lt;"})
        parts.append(BAR.format(y=24 * row, width=width))
        parts.append(LABEL.format(x=width + 6, y=24 * row + 14, text=text))
    size = f'width="480" height="{24 * len(counts)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "file_id": Param("syn10000003", description="CSV file", pattern=r"^syn\d+(\.\d+)?$"),
        "column": Param("diagnosis", description="Column whose values are counted"),
        "project_id": Param("syn10000001", description="Owner of the wiki", pattern=r"^syn\d+$"),
    },
)
def synapse_09_run_report() -> None:
    """File -> counts -> chart -> wiki page."""

    @task
    def count(file: dict[str, Any], params: dict[str, Any]) -> dict[str, int]:
        """Return the number of rows of each value."""
        with Path(local_path(file)).open(newline="") as lines:
            return dict(Counter(row[params["column"]] for row in csv.DictReader(lines)))

    @task
    def chart(counts: dict[str, int], params: dict[str, Any]) -> Any:
        """Store the chart, so that the next task can run on another machine."""
        with TemporaryDirectory() as folder:
            path = Path(folder, "chart.svg")
            path.write_text(draw_bars(counts))
            return SynapseHook().store_file(path, params["project_id"])

    file = SynapseGetOperator(task_id="file", entity_id="{{ params.file_id }}")
    SynapseWikiOperator(
        task_id="report",
        entity_id="{{ params.project_id }}",
        title="Report {{ run_id }}",
        markdown="09_run_report.md",
        attachments=[chart(count(file.output))],
        retries=2,
    )


synapse_09_run_report()

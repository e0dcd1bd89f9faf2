"""Abstract CWL workflow of recorded Activities: steps with inputs and outputs, without programs.

Source: https://www.commonwl.org/v1.2/Workflow.html#Operation
"""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from synapse_workflows.provenance.exported_provenance import ExportedProvenance
from synapse_workflows.provenance.record import EntityRef, Ref

#: Width of lines, so that the text does not depend on the length of names.
_WIDTH: Final = 1_000_000


def format_workflow(provenance: ExportedProvenance) -> str:
    """Return the workflow as YAML: one step for each Activity.

    The sources without an Activity are the inputs; the exported entity version is the output.
    """
    document = _Workflow(provenance).to_cwl()
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=_WIDTH))


class _Workflow:
    """CWL document of one provenance."""

    def __init__(self, provenance: ExportedProvenance) -> None:
        self._provenance = provenance
        self._graph = provenance.graph
        urls = enumerate(provenance.urls, start=1)
        self._ids: dict[str, str] = {url.url: f"url_{number}" for number, url in urls}

    def to_cwl(self) -> dict[str, Any]:
        root, name = self._provenance.root, self._provenance.root.name
        inputs = self._provenance.inputs
        return {
            "cwlVersion": "v1.2",
            "class": "Workflow",
            "label": f"Activities that led to {f'{name} ({root.ref})' if name else root.ref}",
            "doc": "Steps that are recorded in Synapse, without the programs that they executed.",
            "inputs": {
                self._id(ref): {"type": "Any", "label": self._provenance.get_label(ref)}
                for ref in inputs
            },
            "outputs": {
                self._id(root.ref): {
                    "type": "Any",
                    "label": self._provenance.get_label(root.ref),
                    "outputSource": self._source(root.ref),
                }
            },
            "steps": {
                _step_id(str(activity["id"])): self._create_step(activity)
                for activity in self._provenance.activities
            },
        }

    def _create_step(self, activity: Mapping[str, Any]) -> dict[str, Any]:
        activity_id = str(activity["id"])
        generated = self._provenance.get_generated(activity_id)
        sources = [ref for ref in self._provenance.get_used(activity_id) if ref not in generated]
        outputs = [self._id(ref) for ref in generated]
        label = {"label": activity["name"]} if activity.get("name") else {}
        return {
            **label,
            "in": {self._id(ref): self._source(ref) for ref in sources},
            "out": outputs,
            "run": {
                "class": "Operation",
                "inputs": {self._id(ref): "Any" for ref in sources},
                "outputs": dict.fromkeys(outputs, "Any"),
            },
        }

    def _id(self, ref: Ref) -> str:
        return str(ref).replace(".", "_") if isinstance(ref, EntityRef) else self._ids[ref.url]

    def _source(self, ref: Ref) -> str:
        activity_id = self._graph.generated_by.get(ref) if isinstance(ref, EntityRef) else None
        name = self._id(ref)
        return f"{_step_id(activity_id)}/{name}" if activity_id else name


def _step_id(activity_id: str) -> str:
    return f"activity_{activity_id}"

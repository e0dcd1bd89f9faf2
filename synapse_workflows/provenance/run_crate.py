"""Workflow Run RO-Crate of the provenance of an entity version.

Profiles: Workflow Run Crate 0.5, Process Run Crate 0.5 and Workflow RO-Crate 1.0, on RO-Crate 1.1.

Source: https://www.researchobject.org/workflow-run-crate/profiles/workflow_run_crate
"""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from synapse_workflows.provenance.abstract_workflow import format_workflow
from synapse_workflows.provenance.crate_entities import SAFE, CrateEntities, IncludedFile
from synapse_workflows.provenance.exported_provenance import (
    ExportedProvenance,
    format_time,
    is_airflow_activity,
)
from synapse_workflows.provenance.graph_drawing import find_task_url
from synapse_workflows.provenance.record import EntityRef, Ref

if TYPE_CHECKING:
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

_VERSION: Final = "1.1"
_TERMS: Final = "https://w3id.org/ro/terms/workflow-run#"
#: Terms that the context of RO-Crate 1.1 does not define.
_EXTRA_TERMS: Final = {
    name: f"{_TERMS}{name}"
    for name in ("ContainerImage", "containerImage", "md5", "registry", "sha256", "tag")
}
_WORKFLOW_CRATE: Final = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_PROFILES: Final = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    (_WORKFLOW_CRATE, "Workflow RO-Crate", "1.0"),
)
_COMPUTATIONAL_WORKFLOW: Final = (
    "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
)
_WORKFLOW_FILE: Final = "workflow.cwl"
_AIRFLOW: Final = "https://airflow.apache.org/"
_COMPLETED: Final = "http://schema.org/CompletedActionStatus"
_README: Final = """\
This is a [Workflow Run RO-Crate](https://w3id.org/ro/wfrun/workflow/0.5).

- `ro-crate-metadata.json`: Activities, entity versions, code and users.
- `workflow.cwl`: one step for each Activity.
- `data/`: the files, if they are included. Their directories are the entity versions.
"""
#: Text in place of a license: the profile requires one, and Synapse does not record any.
_UNKNOWN_LICENSE: Final = (
    "Not known. Synapse records no license: see the conditions for use of each entity."
)


def build_crate(
    provenance: ExportedProvenance,
    files: Mapping[EntityRef, IncludedFile] | None = None,
    *,
    license: str | None = None,  # noqa: A002 - the property of the crate
) -> "ROCrate":
    """Build a crate. The crate has no time except those of Synapse, and no random IDs.

    Each Activity is a `CreateAction` of the code that it executed. The main workflow is an
    abstract CWL workflow with one step for each Activity. Its run is a `CreateAction`, too: from
    the sources without an Activity to the exported entity version.

    A Synapse Activity has no start. The end of an action is the time of its last result.

    Args:
        provenance: The provenance to write, with at least one Activity.
        files: Files whose content the crate includes; None if it includes no files. Other files
            are web-based data entities.
        license: License of the crate: a URL, or a text; None if it is not known.

    Raises:
        ImportError: The extra `provenance` is not installed.
        ValueError: The provenance has no Activity.
    """
    if not provenance.activities:
        raise ValueError(
            f"{provenance.root.ref} has no Activity, so there is no run to describe in an "
            "RO-Crate. Export it as 'prov-json' or 'prov-n', or set its provenance first."
        )
    return _CrateBuilder(provenance, files).build(license or _UNKNOWN_LICENSE)


class _CrateBuilder:
    """Builder of one crate. Entities are added in a fixed order."""

    def __init__(
        self, provenance: ExportedProvenance, files: Mapping[EntityRef, IncludedFile] | None
    ) -> None:
        try:
            from rocrate.rocrate import ROCrate
        except ImportError as error:
            raise ImportError(
                "RO-Crates require rocrate, which is not installed: "
                "pip install 'synapse-workflows[provenance]'"
            ) from error

        self.provenance = provenance
        self.crate = ROCrate(version=_VERSION)
        self.crate.metadata.extra_terms.update(_EXTRA_TERMS)
        self.entities = CrateEntities(self.crate, provenance, files)

    def build(self, license_text: str) -> "ROCrate":
        """Add all entities; return the crate."""
        workflow = self._add_workflow()
        self._describe_root(workflow, license_text)
        self._add_readme()
        for user in self.provenance.users.values():
            self.entities.add_user(user)
        for entity in self.provenance.entities:
            self.entities.add_version(entity)
        for url in self.provenance.urls:
            self.entities.add_url(url)
        run = self._add_run(workflow)
        actions = [self._add_action(activity) for activity in self.provenance.activities]
        self.crate.root_dataset["mentions"] = [run, *actions, *self._add_engine_run(actions)]
        return self.crate

    def _describe_root(self, workflow: "Entity", license_text: str) -> None:
        root, provenance = self.crate.root_dataset, self.provenance
        label = provenance.get_label(provenance.root.ref)
        count = len(provenance.activities)
        activities = "1 Activity" if count == 1 else f"{count} Activities"
        first = f"Provenance of {label} in Synapse: {activities} that led to it."
        root["name"] = f"Provenance of {label}"
        root["description"] = " ".join((first, *provenance.graph.notes))
        root["identifier"] = provenance.get_entity_url(provenance.root.ref)
        root["license"] = self._add_license(license_text)
        root["mainEntity"] = workflow
        root["conformsTo"] = [self._add_profile(*profile) for profile in _PROFILES]
        # the time of the last known change: the current time would make each export another one
        root["datePublished"] = provenance.last_time
        self._set_user(root, "author", provenance.root.modified_by)

    def _add_readme(self) -> None:
        """Add a text for readers who do not know RO-Crates."""
        root = self.crate.root_dataset
        text = f"# {root['name']}\n\n{root['description']}\n\n{_README}"
        properties = {"name": "Description of this crate", "encodingFormat": "text/markdown"}
        self.crate.add_file(
            StringIO(text), dest_path="README.md", properties={**properties, "about": root}
        )

    def _add_profile(self, uri: str, name: str, version: str) -> "Entity":
        return self.entities.add(uri, "CreativeWork", name=name, version=version)

    def _add_license(self, text: str) -> "Entity":
        is_url = text.startswith(("https://", "http://"))
        identifier = quote(text, safe=SAFE) if is_url else "#license"
        return self.entities.add(identifier, "CreativeWork", name=text)

    def _add_workflow(self) -> "Entity":
        """Add the main workflow, as a file in the crate."""
        name = f"Activities that led to {self.provenance.root.name or self.provenance.root.ref}"
        workflow = self.crate.add_workflow(
            StringIO(format_workflow(self.provenance)),
            dest_path=_WORKFLOW_FILE,
            main=True,
            lang="cwl",
            lang_version="v1.2",
            properties={
                "name": name,
                "description": "Abstract workflow: one step for each Activity in Synapse, "
                "without the programs that the Activities executed.",
                "encodingFormat": "application/yaml",
                "conformsTo": {"@id": _COMPUTATIONAL_WORKFLOW},
                "url": self.provenance.get_entity_url(self.provenance.root.ref),
            },
        )
        if self.provenance.root.ref.version is not None:
            workflow["version"] = str(self.provenance.root.ref.version)
        return workflow

    def _add_run(self, workflow: "Entity") -> "Entity":
        """Add the run of the main workflow."""
        root = self.provenance.root
        activity_id = self.provenance.graph.generated_by.get(root.ref)
        activity = self.provenance.graph.activities.get(activity_id or "", {})
        action = self._create_action(
            "#run",
            name=f"Run that produced {self.provenance.get_label(root.ref)}",
            instrument=[workflow],
            used=self.provenance.inputs,
            results=[root.ref],
        )
        action["description"] = "From the sources without an Activity to the exported version."
        self._set_user(action, "agent", activity.get("createdBy"))
        return action

    def _add_action(self, activity: Mapping[str, Any]) -> "Entity":
        """Add an Activity."""
        activity_id = str(activity["id"])
        programs = [
            self.entities.get_code(ref) for ref in self.provenance.get_executed(activity_id)
        ]
        action = self._create_action(
            f"#activity-{activity_id}",
            name=activity.get("name") or f"Activity {activity_id}",
            instrument=programs or [self.entities.add_unknown_program()],
            used=self.provenance.get_used(activity_id),
            results=self.provenance.get_generated(activity_id),
        )
        images = [one for one in programs if "ContainerImage" in one.type]
        optional = {
            "identifier": f"{self.provenance.repository_url}/activity/{activity_id}",
            "description": activity.get("description"),
            "url": find_task_url(activity),
            "containerImage": _compact(images),
        }
        for name, value in optional.items():
            if value:
                action[name] = value
        self._set_user(action, "agent", activity.get("createdBy"))
        return action

    def _create_action(
        self,
        identifier: str,
        *,
        name: str,
        instrument: "Sequence[Entity]",
        used: Sequence[Ref],
        results: Sequence[EntityRef],
    ) -> "Entity":
        versions = (self.provenance.graph.entities[ref] for ref in results)
        times = [format_time(version.modified_on) for version in versions]
        properties = {
            "name": name,
            "actionStatus": _COMPLETED,
            "instrument": _compact(instrument),
            "object": _compact([self.entities.get_source(ref) for ref in used]),
            "result": _compact([self.entities.get_source(ref) for ref in results]),
            "endTime": max((time for time in times if time), default=None),
        }
        return self.entities.add(identifier, "CreateAction", **properties)

    def _add_engine_run(self, actions: "Sequence[Entity]") -> "list[Entity]":
        """Add Airflow, which ran the Activities that were recorded there."""
        activities = zip(actions, self.provenance.activities, strict=True)
        results = [action for action, activity in activities if is_airflow_activity(activity)]
        if not results:
            return []
        engine = self.entities.add(
            "#apache-airflow", "SoftwareApplication", name="Apache Airflow", url=_AIRFLOW
        )
        run = self.entities.add(
            "#airflow-runs",
            "OrganizeAction",
            name="Runs of Apache Airflow",
            instrument=engine,
            result=_compact(results),
        )
        return [run]

    def _set_user(self, entity: "Entity", name: str, user_id: Any) -> None:
        if user_id and str(user_id) in self.provenance.users:
            entity[name] = self.entities.add_user(self.provenance.users[str(user_id)])


def _compact(entities: "Sequence[Entity]") -> "Entity | list[Entity]":
    """Return different entities as a list; one entity as it is."""
    different = list({entity.id: entity for entity in entities}.values())
    return different[0] if len(different) == 1 else different

"""OpenLineage datasets of entities, and of objects outside Synapse.

This module requires the extra `synapse-workflows[openlineage]`; import it where it is used.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import attr
from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset
from airflow.sdk import Asset
from openlineage.client.event_v2 import Dataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    dataset_type_dataset,
    dataset_version_dataset,
    documentation_dataset,
    schema_dataset,
    storage_dataset,
    symlinks_dataset,
)

from synapse_workflows.client.core.redaction import redact_name
from synapse_workflows.constants import FILE, PRODUCTION_ENDPOINTS, TABLE, VIEWS

#: Formats of files that OpenLineage knows, by suffix.
_FORMATS: Final = {
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet",
    ".avro": "avro", ".orc": "orc", ".txt": "text", ".xml": "xml",
}  # fmt: skip


@attr.define
class SynapseEntityDatasetFacet(DatasetFacet):
    """Properties of a version of an entity that OpenLineage has no facet for.

    Args:
        concreteType: Full type of the entity.
        md5: MD5 of the file.
        etag: Etag of the rows of a table or view.
        activityId: ID of the Activity that generated the version.
        isOpenVersion: Whether the version is the open version of a table or view, whose rows may
            change.
    """

    concreteType: str | None = attr.field(default=None)  # noqa: N815 - JSON names of OpenLineage
    md5: str | None = attr.field(default=None)
    etag: str | None = attr.field(default=None)
    activityId: str | None = attr.field(default=None)  # noqa: N815
    isOpenVersion: bool | None = attr.field(default=None)  # noqa: N815


def get_namespace(portal: str | None) -> str:
    """Return the namespace of the entities of a Synapse: `syn://` and the host of its portal.

    Args:
        portal: Base URL of the web portal; None for production.
    """
    return f"syn://{urlsplit(portal or PRODUCTION_ENDPOINTS['portalEndpoint']).netloc}"


def build_entity_dataset(entity_id: str, properties: Mapping[str, Any]) -> Dataset:
    """Build the dataset of an entity.

    Args:
        entity_id: `syn123`, the name of the dataset.
        properties: Any of `portal` (base URL), `version`, `name`, `concrete_type`, `md5`, `etag`,
            `activity_id`, `open_version` and `columns` (names and types).
    """
    portal = str(properties.get("portal") or PRODUCTION_ENDPOINTS["portalEndpoint"]).rstrip("/")
    version = properties.get("version")
    page = f"Synapse:{entity_id}" + ("" if version is None else f".{version}")
    facets: dict[str, Any] = {
        "symlinks": symlinks_dataset.SymlinksDatasetFacet(
            [symlinks_dataset.Identifier(namespace=portal, name=page, type="URL")]
        ),
        "storage": _build_storage(properties),
        "datasetType": _build_type(properties.get("concrete_type")),
        "synapse_entity": SynapseEntityDatasetFacet(
            properties.get("concrete_type"),
            properties.get("md5"),
            properties.get("etag"),
            properties.get("activity_id"),
            properties.get("open_version"),
        ),
    }
    if version is not None:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(str(version))
    if properties.get("name"):
        name = redact_name(str(properties["name"]))
        facets["documentation"] = documentation_dataset.DocumentationDatasetFacet(name)
    if properties.get("columns"):
        fields = [schema_dataset.SchemaDatasetFacetFields(*one) for one in properties["columns"]]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields)
    known = {name: facet for name, facet in facets.items() if facet is not None}
    return Dataset(get_namespace(portal), entity_id, facets=known)


def build_url_dataset(url: str) -> Dataset:
    """Build the dataset of an object outside Synapse, with the names that its provider uses.

    Args:
        url: URL without credentials. Its `versionId`, or `etag` in the fragment, is the version.
    """
    parts = urlsplit(url)
    base = parts._replace(query="", fragment="").geturl()
    try:
        found = translate_airflow_asset(Asset(uri=base), None)
    except ValueError:  # for example a URL that is too long for an asset
        found = None
    if found is None:
        found = Dataset(f"{parts.scheme}://{parts.netloc}", parts.path or "/")
    versions = {**parse_qs(parts.fragment), **parse_qs(parts.query)}
    version = versions.get("versionId") or versions.get("etag")
    if not version:
        return found
    facet = dataset_version_dataset.DatasetVersionDatasetFacet(version[0])
    return Dataset(found.namespace, found.name, facets={**(found.facets or {}), "version": facet})


def _build_storage(properties: Mapping[str, Any]) -> Any:
    suffix = PurePosixPath(str(properties.get("name") or "")).suffix.lower()
    is_file = properties.get("concrete_type") == FILE
    return storage_dataset.StorageDatasetFacet(
        "synapse", _FORMATS.get(suffix) if is_file else None
    )


def _build_type(concrete_type: str | None) -> Any:
    if concrete_type is None:
        return None
    names = {FILE: "FILE", TABLE: "TABLE", **dict.fromkeys(VIEWS, "VIEW")}
    return dataset_type_dataset.DatasetTypeDatasetFacet(
        names.get(concrete_type, concrete_type.rpartition(".")[2].upper())
    )

"""Description of everything in projects, without ids and etags, to compare projects."""

import re
from typing import Any, get_args

from synapse_workflows.client.api import bundles, provenance
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.client.model.argument_types import EntityTypeName

_SYNAPSE_ID = re.compile(r"\bsyn\d+")
#: Name of a file with the result of a query, with the id of its file handle.
_QUERY_NAME = re.compile(r"SYNAPSE_TABLE_QUERY_\d+")
#: Time and etag of the read of an open version: differ between projects with the same contents.
_READ = re.compile(r"(?<=snapshot): read at \S+, etag [-0-9a-f]+")
#: ID of a wiki page in its URL.
_WIKI_ID = re.compile(r"(?<=/wiki/)\d+")


class ProjectContents:
    """Contents of projects.

    Args:
        syn: client that may read the projects.
        projects: the projects, as names by ID.
        texts: replacements of texts that differ from project to project.

    Attributes:
        entities: description of each entity, by its path in its project: its type and its
            versions, each with content, annotations, items, Activity and rows.
    """

    def __init__(self, syn: Any, projects: dict[str, str], texts: dict[str, str]) -> None:
        self._syn = syn
        self._texts = texts
        self._names: dict[str, str] = {}
        self._activities: dict[str, int] = {}
        for project, name in projects.items():
            self._walk(project, name, "")
        found = [(name, self._describe(entity_id)) for entity_id, name in self._names.items()]
        self.entities: dict[str, Any] = self.normalize(dict(found))

    def normalize(self, value: Any) -> Any:
        """Replace the ids of entities and Activities in JSON, and remove etags and handle ids."""
        if isinstance(value, dict):
            return {
                self.normalize(key): self._activities.get(item)
                if key == "activity_id"
                else self.normalize(item)
                for key, item in value.items()
                if key not in ("etag", "file_handle_id", "wiki_id")
            }
        if isinstance(value, list | tuple):
            return [self.normalize(item) for item in value]
        if not isinstance(value, str):
            return value
        value = _SYNAPSE_ID.sub(lambda match: self._names.get(match[0], match[0]), value)
        for text, replacement in self._texts.items():
            value = value.replace(text, replacement)
        return _WIKI_ID.sub("{wiki}", _QUERY_NAME.sub("{query}", value))

    def describe_wiki(self, entity_id: str) -> list[dict[str, Any]]:
        """Describe all versions of the pages of a wiki, in the order of their creation."""
        try:
            headers = self._syn.getWikiHeaders(entity_id)
        except SynapseNotFoundError:
            return []
        titles = {each.id: each.get("title") for each in headers}
        pages = sorted(headers, key=lambda each: int(each.id))
        described = [
            {
                "title": each.get("title"),
                "parent": titles.get(each.get("parentId")),
                "versions": [
                    self._describe_wiki_version(entity_id, each.id, version["version"])
                    for version in self._list_wiki_versions(entity_id, each.id)
                ],
            }
            for each in pages
        ]
        result: list[dict[str, Any]] = self.normalize(described)
        return result

    def _list_wiki_versions(self, entity_id: str, page_id: str) -> list[dict[str, Any]]:
        path = f"/entity/{entity_id}/wiki2/{page_id}/wikihistory?limit=100&offset=0"
        versions: list[dict[str, Any]] = self._syn.restGET(path)["results"]
        return versions

    def _describe_wiki_version(self, entity_id: str, page_id: str, version: str) -> dict[str, Any]:
        page = self._syn.getWiki(entity_id, page_id, version)
        path = f"/entity/{entity_id}/wiki2/{page_id}/attachmenthandles?wikiVersion={version}"
        files = self._syn.restGET(path)["list"]
        return {
            "markdown": page.markdown,
            "attachments": {each["fileName"]: each["contentMd5"] for each in files},
        }

    def _walk(self, container: str, name: str, prefix: str) -> None:
        self._names[container] = name
        children = self._syn.getChildren(container, includeTypes=get_args(EntityTypeName))
        for child in sorted(children, key=lambda one: one["name"]):
            path = f"{prefix}{child['name']}"
            if child["type"].endswith("Folder"):
                self._walk(child["id"], path, f"{path}/")
            else:
                self._names[child["id"]] = path

    def _describe(self, entity_id: str) -> dict[str, Any]:
        bundle = bundles.get_bundle(self._syn, entity_id)
        kind = bundle["entity"]["concreteType"].rpartition(".")[2]
        if "versionNumber" not in bundle["entity"]:
            return {"type": kind, **self._describe_version(bundle)}
        versions = self._syn.restGET(f"/entity/{entity_id}/version")["results"]
        numbers = sorted(version["versionNumber"] for version in versions)
        described = [
            self._describe_version(bundles.get_bundle(self._syn, entity_id, number))
            for number in numbers
        ]
        if "columnIds" in bundle["entity"] and "items" not in bundle["entity"]:
            for number, version in zip(numbers, described, strict=True):
                is_current = number == bundle["entity"]["versionNumber"]
                version["rows"] = self._read_rows(
                    entity_id if is_current else f"{entity_id}.{number}"
                )
        return {"type": kind, "versions": described}

    def _describe_version(self, bundle: dict[str, Any]) -> dict[str, Any]:
        entity = bundle["entity"]
        handle = bundles.get_file_handle(bundle) or {}
        return {
            "number": entity.get("versionNumber"),
            "label": entity.get("versionLabel"),
            "comment": entity.get("versionComment"),
            "description": entity.get("description"),
            "file_name": handle.get("fileName"),
            "content": self._describe_content(entity, handle),
            "annotations": bundle["annotations"]["annotations"],
            "items": entity.get("items"),
            "activity": self._describe_activity(entity),
        }

    def _describe_content(self, entity: dict[str, Any], handle: dict[str, Any]) -> str | None:
        md5 = handle.get("contentMd5")
        if md5 is None or md5 in self._texts:
            return md5
        path = f"/entity/{entity['id']}/version/{entity['versionNumber']}/file"
        return str(self._syn.call("GET", path).response.text)

    def _describe_activity(self, entity: dict[str, Any]) -> dict[str, Any] | None:
        activity = provenance.find_activity(self._syn, entity)
        if activity is None:
            return None
        number = self._activities.setdefault(activity["id"], len(self._activities) + 1)
        used, executed = [], []
        for item in activity["used"]:
            reference = item.get("reference")
            name = item.get("url")
            if reference:
                name = ".".join(str(part) for part in reference.values())
            (executed if item["wasExecuted"] else used).append(name)
        return {
            "number": number,
            "name": activity.get("name"),
            "description": _READ.sub("", activity.get("description", "")),
            "used": sorted(used),
            "executed": sorted(executed),
        }

    def _read_rows(self, table: str) -> list[Any]:
        query = f"select * from {table}"
        result = self._syn.tableQuery(f"{query} order by ROW_ID", resultsAs="rowset")
        return [row["values"] for row in result]

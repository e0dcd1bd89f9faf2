"""Removal of what differs between runs of a DAG that store the same."""

import json
import re
from typing import Any

#: Run IDs of `dag.test` and of `Cluster.run`.
_RUN_ID = re.compile(r"\b(manual|scheduled|asset_triggered)__[-+:.%\w]+")
#: Lines of descriptions of Activities: `dag.test` sets a logical date, and has no web interface.
_VARYING_LINES = re.compile(r"^(Logical date |https?://\S+/dags/)")
#: Time of a snapshot in the file of the example of Croissant.
_TIME = re.compile(r'(?<="datePublished": ")[-0-9]{10}T[:.0-9]+Z(?=")')


def normalize_activities(value: Any) -> Any:
    """Replace run IDs and times in JSON, and remove varying lines from descriptions."""
    if isinstance(value, dict):
        return {
            normalize_activities(name): normalize_activities(item) for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [normalize_activities(item) for item in value]
    if not isinstance(value, str):
        return value
    lines = [line for line in value.split("\n") if not _VARYING_LINES.match(line)]
    return _TIME.sub("{time}", _RUN_ID.sub("{run}", "\n".join(lines)))


def sort_versions(entities: dict[str, Any]) -> dict[str, Any]:
    """Sort versions, rows and Activities that parallel tasks create in any order."""
    for entity in entities.values():
        for version in entity.get("versions", ()):
            del version["number"], version["label"]
            if version.get("rows"):
                version["rows"].sort(key=json.dumps)
            if version["activity"]:
                del version["activity"]["number"]
        if "versions" in entity:
            entity["versions"].sort(key=lambda one: json.dumps(one, sort_keys=True))
    return entities


def find_differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """Return the paths of different values in JSON, with both values."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return [
            line
            for name in sorted({*found, *expected}, key=str)
            for line in find_differences(found.get(name), expected.get(name), f"{path}/{name}")
        ]
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        return [
            line
            for index, pair in enumerate(zip(found, expected, strict=True))
            for line in find_differences(*pair, f"{path}/{index}")
        ]
    return [] if found == expected else [f"{path}: {found!r} instead of {expected!r}"]

"""Sources in a manifest: the columns `used` and `executed`, compared with an Activity."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.ids import is_synapse_id, parse_entity_id
from synapse_workflows.client.model.paths import is_url
from synapse_workflows.provenance.activity import redact_activity
from synapse_workflows.sync.manifest import ManifestError

COLUMNS: Final = ("used", "executed")


def split_sources(cell: str) -> list[str]:
    """Return the sources in a cell, which are separated by semicolons."""
    return [one.strip() for one in cell.split(";") if one.strip()]


def has_sources(row: Mapping[str, str]) -> bool:
    """Return whether a row of a manifest names sources."""
    return any(split_sources(row.get(column, "")) for column in COLUMNS)


def resolve_sources(
    row: Mapping[str, str],
    activity: Mapping[str, Any] | None,
    stored: Mapping[str, str | None],
    path: str,
) -> dict[str, list[str]]:
    """Return the sources of a row as IDs and URLs, by column.

    Args:
        row: Row of the manifest.
        activity: Activity of the existing version. A source may be the name of a URL in it: the
            official client writes the names of URLs.
        stored: `syn123.4` by path, of files of the same manifest; None for a file to be stored.
        path: Path of the file, for messages.

    Raises:
        ManifestError: A source is neither an ID nor a URL nor a file of the manifest.
    """
    names = {
        str(one["name"]): str(one["url"])
        for one in (activity or {}).get("used") or ()
        if one.get("url") and one.get("name")
    }
    return {
        column: [
            _resolve(token, names, stored, path, column)
            for token in split_sources(row.get(column, ""))
        ]
        for column in COLUMNS
    }


def _resolve(
    token: str,
    names: Mapping[str, str],
    stored: Mapping[str, str | None],
    path: str,
    column: str,
) -> str:
    if token == path:
        raise ManifestError(f"Invalid {column} of {path!r} in the manifest: the file itself")
    if token in stored:
        return stored[token] or token
    if is_synapse_id(token) or is_url(token):
        return token
    if token in names:
        return names[token]
    raise ManifestError(
        f"Invalid {column} {token!r:.100} of {path!r} in the manifest: expected a Synapse ID such "
        "as syn123.4, a URL, or the path of another file of the manifest"
    )


def has_same_sources(
    sources: Mapping[str, Sequence[str]],
    row: Mapping[str, str],
    activity: Mapping[str, Any] | None,
) -> bool:
    """Return whether an Activity has the sources of a row, and its name and description if given.

    An ID without a version stands for any version.
    """
    if activity is None:
        return False
    for column in COLUMNS:
        entries = [
            one
            for one in activity.get("used") or ()
            if bool(one.get("wasExecuted")) is (column == "executed")
        ]
        wanted = sources[column]
        is_covered = all(any(_is_source(token, one) for token in wanted) for one in entries)
        if not is_covered or not all(
            any(_is_source(token, one) for one in entries) for token in wanted
        ):
            return False
    texts = (("activityName", "name"), ("activityDescription", "description"))
    return all(
        column not in row or row[column].strip() == str(activity.get(key) or "").strip()
        for column, key in texts
    )


def _is_source(token: str, entry: Mapping[str, Any]) -> bool:
    reference = entry.get("reference")
    if reference is None:
        url, token = (one.replace("%3B", ";") for one in (str(entry.get("url")), token))
        return token in (url, redact_url(url)) or redact_url(token) == url
    if not is_synapse_id(token):
        return False
    parsed = parse_entity_id(token)
    version = reference.get("targetVersionNumber")
    return parsed.id == str(reference.get("targetId")).lower() and parsed.version in (
        None,
        version,
    )


def build_activity(
    sources: Mapping[str, Sequence[str]], row: Mapping[str, str]
) -> Mapping[str, Any]:
    """Build the Activity of a row, without secrets."""
    activity = Activity(
        name=row.get("activityName"),
        description=row.get("activityDescription"),
        used=list(sources["used"]),
        executed=list(sources["executed"]),
    )
    return Activity(data=redact_activity(activity))

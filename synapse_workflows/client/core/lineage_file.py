"""File in which programs report what they read, ran and stored.

A task that starts other programs sets the environment variable `SYNAPSE_LINEAGE_FILE` to the path
of a file. Each program appends lines of JSON to it, and the task reads them at its end:

    {"used": "syn123.4"}
    {"used": "https://example.org/data.csv", "name": "data"}
    {"executed": "https://github.com/org/repo/blob/4f1c2d/clean.R"}
    {"stored": "syn456.1"}
    {"gap": "the version of the reference genome is not known"}

| key | value |
|---|---|
| `used`, `executed`, `stored` | a Synapse ID, with the version if it is known, or a URL |
| `name` | display name of a URL |
| `site` | repository endpoint of the Synapse of an entity; by default that of the task |
| `type` | concrete type of an entity |
| `lookup` | true if only metadata was read |
| `open`, `etag`, `read_at` | for the open version of a table or view: true, etag, ISO 8601 |
| `activity` | true if the stored version has an Activity |
| `gap` | a text about something that is not known |

Clients of this package append these lines themselves if the variable is set.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synapse_workflows.client.core.events import Event, Ran, Read
from synapse_workflows.client.core.lineage_variable import LINEAGE_FILE
from synapse_workflows.client.core.redaction import redact_name, redact_url


def get_lineage_file() -> Path | None:
    """Return the file in which this process reports its lineage; None without the variable."""
    path = os.environ.get(LINEAGE_FILE)
    return Path(path) if path else None


def report_event(event: Event, site: str) -> None:
    """Append an event of a client to the file. Without the variable, do nothing.

    Args:
        event: What the client read, ran or stored.
        site: Repository endpoint of the client.

    Raises:
        OSError: The file cannot be written.
    """
    path = get_lineage_file()
    if path is None:
        return
    line = json.dumps(_to_json(event, site)) + "\n"
    # one write in append mode: lines of several processes do not mix
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _to_json(event: Event, site: str) -> dict[str, Any]:
    if isinstance(event, Ran):
        fields: dict[str, Any] = {"executed": _format_target(event, event.url)}
    elif isinstance(event, Read):
        fields = {"used": _format_target(event, event.url), "lookup": event.is_lookup}
        if event.is_open:
            fields |= {"etag": event.etag, "read_at": datetime.now(UTC).isoformat()}
    else:
        has_activity = event.activity_given or event.is_reused or not event.changed
        fields = {"stored": _format_target(event, None), "activity": has_activity}
    fields |= {
        "name": redact_name(event.name) if event.name else None,
        "type": getattr(event, "concrete_type", None),
        "open": getattr(event, "is_open", None),
        "site": None if event.entity_id is None else redact_url(site),
    }
    return {name: value for name, value in fields.items() if value not in (None, False)}


def _format_target(event: Event, url: str | None) -> str:
    if event.entity_id is None:
        return redact_url(url or "")
    return event.entity_id if event.version is None else f"{event.entity_id}.{event.version}"

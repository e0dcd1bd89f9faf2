"""Records of the lines in which programs report their lineage; see `client.core.lineage_file`."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.model.ids import is_synapse_id
from synapse_workflows.constants import CONTAINERS
from synapse_workflows.provenance.record import EntityRef, Origin, Record, Ref, UrlRef

#: Maximum number of lines that are described one by one as gaps.
_MAX_GAPS: Final = 5
_ROLES: Final = ("used", "executed", "stored")


def parse_lines(lines: list[bytes]) -> Record:
    """Return the record that lines of a lineage file describe. Invalid lines become gaps."""
    records, gaps = [], []
    for number, line in enumerate(lines, 1):
        try:
            records.append(parse_line(line))
        except (ValueError, TypeError, RecursionError) as error:
            gaps.append(f"line {number} of the lineage file of the task is invalid: {error}")
    if len(gaps) > _MAX_GAPS:
        more = f"{len(gaps) - _MAX_GAPS} further lines of the lineage file are invalid"
        gaps = [*gaps[:_MAX_GAPS], more]
    return Record.merge(records) | Record(gaps=tuple(gaps))


def parse_line(line: bytes) -> Record:
    """Return the record that one line describes.

    Raises:
        ValueError: The line is invalid.
        TypeError: The line is invalid.
    """
    try:
        data = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("expected an object in JSON") from None
    if not isinstance(data, Mapping):
        raise ValueError("expected an object in JSON")  # noqa: TRY004 - a gap, no error of types
    gap = data.get("gap")
    record = Record(gaps=(str(gap),)) if gap else Record()
    roles = [role for role in _ROLES if role in data]
    if not roles and not gap:
        raise ValueError("expected one of the keys 'used', 'executed', 'stored' and 'gap'")
    for role in roles:
        targets = data[role] if isinstance(data[role], list) else [data[role]]
        for target in targets:
            record |= _create_record(role, _parse_target(target, data), data)
    return record


def _create_record(role: str, ref: Ref, data: Mapping[str, Any]) -> Record:
    if role == "executed":
        return Record.from_refs(Origin.CODE, ran=[ref])
    if data.get("type") in CONTAINERS:
        return Record()
    if role == "used":
        return Record.from_refs(Origin.LOOKUP if data.get("lookup") else Origin.READ, used=[ref])
    return Record.from_stored(ref)


def _parse_target(target: Any, data: Mapping[str, Any]) -> Ref:
    if not isinstance(target, str):
        raise ValueError("expected a Synapse ID or a URL as text")  # noqa: TRY004 - as above
    if "://" in target:
        name = data.get("name")
        return UrlRef(target, str(name) if name else None)
    if not is_synapse_id(target):
        raise ValueError("expected a Synapse ID such as 'syn123.4', or a URL")
    site = data.get("site")
    ref = EntityRef.parse(target, redact_url(site) if isinstance(site, str) else None)
    if data.get("open"):
        etag, time = data.get("etag"), data.get("read_at")
        return ref.as_open(etag, datetime.fromisoformat(time) if time else datetime.now(UTC))
    return ref

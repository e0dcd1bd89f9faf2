"""Provenance as a tree that a person understands, from a result back to where it came from.

summary.csv (syn12.1)
└─ flow.store
   │  Airflow run manual__2026-11-22
   ├─ used      raw.csv (syn10.3)
   │            └─ ...
   └─ executed  flow.py (sha256 0f3a...)
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

#: How many activities deep a drawing goes, if nothing else is asked for.
DEFAULT_DEPTH = 8
#: What the service answers where there is nothing to see, or nothing for this caller.
_UNAVAILABLE = frozenset({403, 404, 410})


class ProvenanceClient(Protocol):
    """What a drawing asks: a client, ours or the official one."""

    def get(self, entity: Any, *, version: Any = ..., downloadFile: bool = ...) -> Any:  # noqa: N803
        """Get an entity."""

    def getProvenance(self, entity: Any, version: Any = None) -> Any:  # noqa: N802
        """Get the Activity of an entity's version."""


def render_tree(
    syn: ProvenanceClient, entity: str, version: int | None = None, *, depth: int = DEFAULT_DEPTH
) -> str:
    """Draw where an entity came from.

    Args:
        syn: a client that may read it.
        entity: its id, as `syn123` or `syn123.4`.
        version: None means the one in the id, else the current one.
        depth: how many activities deep to follow the inputs, at least 1.

    Returns:
        Lines of text, without a newline at the end.

    Raises:
        SynapseHTTPError: The entity itself cannot be read.
    """
    entity_id, _, number = entity.partition(".")
    wanted = version if version is not None else int(number) if number else None
    found = syn.get(entity_id, downloadFile=False, **_version_argument(wanted))
    pen = _TreeRenderer(syn, depth)
    exact = wanted if wanted is not None else found.get("versionNumber")
    lines = [_format_entity(found.get("name"), entity_id, exact)]
    return "\n".join(lines + list(pen.activity(entity_id, exact, depth)))


class _TreeRenderer:
    """Draws one tree, and remembers what it has drawn."""

    def __init__(self, syn: ProvenanceClient, depth: int) -> None:
        self.syn = syn
        self.depth = depth
        self.drawn: set[tuple[str, int | None]] = set()

    def activity(self, entity_id: str, version: int | None, depth: int) -> Iterator[str]:
        """Draw the activity that made an entity, below the entity's own line."""
        if (entity_id, version) in self.drawn:
            yield "└─ (drawn above)"
            return
        found = _get_or_none(self.syn.getProvenance, entity_id, **_version_argument(version))
        if found is None:
            return
        self.drawn.add((entity_id, version))
        if depth < 1:
            yield "└─ ..."
            return
        yield f"└─ {found.get('name') or 'activity ' + str(found.get('id', ''))}"
        sources = sorted(found.get("used") or (), key=lambda item: bool(item.get("wasExecuted")))
        margin = "   │" if sources else "    "
        for line in (found.get("description") or "").splitlines():
            yield f"{margin}  {line}".rstrip()
        for place, item in enumerate(sources, start=1):
            yield from self.source(item, depth, last=place == len(sources))

    def source(self, item: Mapping[str, Any], depth: int, *, last: bool) -> Iterator[str]:
        """Draw one thing that an activity used or ran, and where it came from in turn."""
        role = "executed" if item.get("wasExecuted") else "used"
        label, below = self.described(item, depth)
        yield f"   {'└─' if last else '├─'} {role:<8}  {label}"
        margin = " " if last else "│"
        for line in below:
            yield f"   {margin}            {line}"

    def described(self, item: Mapping[str, Any], depth: int) -> tuple[str, Iterable[str]]:
        """Name a source, and give the lines that go below it."""
        if "url" in item:
            return _format_url(item["url"], item.get("name")), ()
        reference = item["reference"]
        entity_id, version = reference["targetId"], reference.get("targetVersionNumber")
        found = _get_or_none(
            self.syn.get, entity_id, downloadFile=False, **_version_argument(version)
        )
        if found is None:
            return f"{_format_entity(None, entity_id, version)} (not there, or not for you)", ()
        label = _format_entity(found.get("name"), entity_id, version)
        return label, self.activity(entity_id, version, depth - 1)


def _format_entity(name: str | None, entity_id: str, version: int | None) -> str:
    exact = entity_id if version is None else f"{entity_id}.{version}"
    return f"{name} ({exact})" if name else exact


def _format_url(url: str, name: str | None) -> str:
    if name in (None, "", url):
        return url
    # a file named by its content leads nowhere: its name says the hash already
    return str(name) if url.startswith("file:") else f"{name} <{url}>"


def _version_argument(version: int | None) -> dict[str, int]:
    return {} if version is None else {"version": version}


def _get_or_none(ask: Any, *args: Any, **options: Any) -> Any:
    """Ask; None where the service says that there is nothing, or nothing for this caller."""
    try:
        return ask(*args, **options)
    except Exception as error:
        status = getattr(error, "status", None) or getattr(
            getattr(error, "response", None), "status_code", None
        )
        if status in _UNAVAILABLE:
            return None
        raise

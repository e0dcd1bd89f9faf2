"""Text tree of the provenance of an entity, from a result to its sources.

summary.csv (syn12.1)
└─ flow.store
   │  Airflow run manual__2026-11-22
   ├─ used      raw.csv (syn10.3)
   │            └─ ...
   └─ executed  flow.py (sha256 0f3a...)
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from synapse_workflows.client.core.redaction import redact_name, redact_text, redact_url

#: Default number of levels of activities.
DEFAULT_DEPTH = 8
#: HTTP status codes for objects that do not exist or are not readable.
_UNAVAILABLE = frozenset({403, 404, 410})


class ProvenanceClient(Protocol):
    """Client that reads entities and Activities: `Synapse` of this package or synapseclient."""

    def get(self, entity: Any, *, version: Any = ..., downloadFile: bool = ...) -> Any:  # noqa: N803
        """Get an entity."""

    def getProvenance(self, entity: Any, version: Any = None) -> Any:  # noqa: N802
        """Get the Activity of an entity's version."""


def render_tree(
    syn: ProvenanceClient, entity: str, version: int | None = None, *, depth: int = DEFAULT_DEPTH
) -> str:
    """Render the provenance of an entity as text.

    Args:
        syn: Client with permission to read the entity.
        entity: ID such as `syn123` or `syn123.4`.
        version: Version; None for the version in the ID, or the current version.
        depth: Number of levels of activities, at least 1.

    Returns:
        Lines of text, without a trailing newline.

    Raises:
        SynapseHTTPError: The entity itself cannot be read.
    """
    entity_id, _, number = entity.partition(".")
    requested = version if version is not None else int(number) if number else None
    found = syn.get(entity_id, downloadFile=False, **_version_argument(requested))
    exact = requested if requested is not None else found.get("versionNumber")
    root = _format_entity(found.get("name"), entity_id, exact)
    return "\n".join([root, *_TreeRenderer(syn).render_activity(entity_id, exact, depth)])


class _TreeRenderer:
    """Renderer of one tree; repeated entity versions are rendered once."""

    def __init__(self, syn: ProvenanceClient) -> None:
        self.syn = syn
        self.rendered: set[tuple[str, int | None]] = set()

    def render_activity(self, entity_id: str, version: int | None, depth: int) -> Iterator[str]:
        """Render the activity of an entity version."""
        if (entity_id, version) in self.rendered:
            yield "└─ (shown above)"
            return
        found = _get_or_none(self.syn.getProvenance, entity_id, **_version_argument(version))
        if found is None:
            return
        self.rendered.add((entity_id, version))
        if depth < 1:
            yield "└─ ..."
            return
        name = redact_name(found.get("name") or "")
        yield f"└─ {name or 'activity ' + str(found.get('id', ''))}"
        sources = sorted(found.get("used") or (), key=lambda item: bool(item.get("wasExecuted")))
        margin = "   │" if sources else "    "
        for line in redact_text(found.get("description") or "").splitlines():
            yield f"{margin}  {line}".rstrip()
        for number, item in enumerate(sources, start=1):
            yield from self._render_source(item, depth, last=number == len(sources))

    def _render_source(self, item: Mapping[str, Any], depth: int, *, last: bool) -> Iterator[str]:
        """Render one source of an activity, and the provenance of the source."""
        role = "executed" if item.get("wasExecuted") else "used"
        label, children = self._describe_source(item, depth)
        yield f"   {'└─' if last else '├─'} {role:<8}  {label}"
        margin = " " if last else "│"
        for line in children:
            yield f"   {margin}            {line}"

    def _describe_source(self, item: Mapping[str, Any], depth: int) -> tuple[str, Iterable[str]]:
        """Return the label of a source, and the lines of the provenance of the source."""
        if "url" in item:
            return _format_url(item["url"], item.get("name")), ()
        reference = item["reference"]
        entity_id, version = reference["targetId"], reference.get("targetVersionNumber")
        found = _get_or_none(
            self.syn.get, entity_id, downloadFile=False, **_version_argument(version)
        )
        if found is None:
            return f"{_format_entity(None, entity_id, version)} (not found or not readable)", ()
        label = _format_entity(found.get("name"), entity_id, version)
        return label, self.render_activity(entity_id, version, depth - 1)


def _format_entity(name: str | None, entity_id: str, version: int | None) -> str:
    exact = entity_id if version is None else f"{entity_id}.{version}"
    return f"{name} ({exact})" if name else exact


def _format_url(url: str, name: str | None) -> str:
    url, name = redact_url(url), redact_name(name or "")
    if name in ("", url):
        return url
    # A file URL contains no location; the name contains the hash of the content of the file.
    return name if url.startswith("file:") else f"{name} <{url}>"


def _version_argument(version: int | None) -> dict[str, int]:
    return {} if version is None else {"version": version}


def _get_or_none(method: Any, *args: Any, **options: Any) -> Any:
    """Call a method of the client; return None if the object is not found or not readable."""
    try:
        return method(*args, **options)
    except Exception as error:
        status = getattr(error, "status", None) or getattr(
            getattr(error, "response", None), "status_code", None
        )
        if status in _UNAVAILABLE:
            return None
        raise

"""Versions of the sources of an Activity: pinned and checked in one request."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from synapse_workflows.client.core.events import has_open_version
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError
from synapse_workflows.constants import CONTAINERS
from synapse_workflows.provenance.activity import iter_unpinned
from synapse_workflows.provenance.record import EntityRef, Origin, Record, Ref

_NOT_READABLE: Final = "was not found, or is not readable by this account"


class UnknownSourceError(SynapseNotFoundError):
    """A declared source does not exist. Without the declaration, nothing would be wrong."""


class SourceVersions:
    """Current versions of the sources of a task. Each entity is looked up once.

    Args:
        client: Client of the connection.
    """

    def __init__(self, client: Session) -> None:
        self._client = client
        self._current: dict[str, EntityRef | None] = {}

    def pin(self, sources: Record) -> Record:
        """Set the current version in each reference that has no version.

        All references are looked up in one request. An unknown entity that was not declared is
        added to `Record.gaps`.

        Raises:
            UnknownSourceError: An unknown entity or version was declared.
        """
        site = self._client.repoEndpoint
        declared = [entry.ref for entry in sources.with_origins(Origin.DECLARED).entries()]
        unpinned = [ref for ref in iter_unpinned(sources, site) if ref.id not in self._current]
        headers = find_headers(self._client, [*unpinned, *_select_unknown(self._client, declared)])
        for ref in unpinned:
            header = headers.get((ref.id, None))
            self._current[ref.id] = None if header is None else _to_ref(header, site)
        require_sources(self._client, declared, headers)
        return self._replace(sources)

    def _replace(self, sources: Record) -> Record:
        new: dict[Ref, Ref | None] = {}
        gaps: list[str] = []
        for ref in iter_unpinned(sources, self._client.repoEndpoint):
            current = self._current[ref.id]
            if current is None:
                gaps.append(f"{ref.id} {_NOT_READABLE}")
            if current is None or current.version is not None:
                new[ref] = current
        replaced = sources.replace_refs(new) if new else sources
        return replaced | Record.from_refs(Origin.READ, gaps=gaps)


def find_headers(
    client: Session, refs: Sequence[EntityRef]
) -> Mapping[tuple[str, int | None], Mapping[str, Any]]:
    """Find the headers of entities; unknown and unreadable entities are left out.

    Args:
        client: Sends the request; no request without `refs`.
        refs: The entities, with their versions; None for the current version.

    Returns:
        The header of each found version, by ID and version as in `refs`.

    Source:
        POST /entity/header
        https://rest-docs.synapse.org/rest/POST/entity/header.html
    """
    wanted = dict.fromkeys((ref.id, ref.version) for ref in refs)
    if not wanted:
        return {}
    references = [
        {"targetId": id_} | ({} if version is None else {"targetVersionNumber": version})
        for id_, version in wanted
    ]
    found = client.call("POST", "/entity/header", json={"references": references}).json["results"]
    by_version = {(one["id"], int(one["versionNumber"])): one for one in found}
    latest = {one["id"]: one for one in found if one.get("isLatestVersion") is not False}
    known = {
        key: latest.get(key[0]) if key[1] is None else by_version.get((key[0], key[1]))
        for key in wanted
    }
    return {key: header for key, header in known.items() if header is not None}


def require_sources(
    client: Session,
    refs: Iterable[Ref],
    headers: Mapping[tuple[str, int | None], Mapping[str, Any]] | None = None,
) -> None:
    """Check that declared sources exist, in their versions.

    A source that the caller may not read, or of another Synapse, is not checked. A version is
    checked once.

    Args:
        client: Sends the requests: one for all sources, and one for each that was not found.
        refs: The sources.
        headers: Headers that were found before; None to find them.

    Raises:
        UnknownSourceError: A source does not exist.

    Source:
        POST /entity/header, GET /entity/{id}, GET /entity/{id}/version/{versionNumber}
        https://rest-docs.synapse.org/rest/GET/entity/id/version/versionNumber.html
    """
    unknown = _select_unknown(client, refs)
    found = find_headers(client, unknown) if headers is None else headers
    known = _get_known_versions(client)
    for ref in unknown:
        if (ref.id, ref.version) not in found:
            _require_source(client, ref)
        if ref.version is not None:
            known.add((ref.id, ref.version))


def add_known_version(client: Session, entity_id: str, version: int) -> None:
    """Declare that a version existed, also if it was deleted since.

    Synapse keeps a copy of a submitted version, so it is a source of a score after its deletion.
    """
    _get_known_versions(client).add((entity_id, version))


def _select_unknown(client: Session, refs: Iterable[Ref]) -> list[EntityRef]:
    """Return the entities of the Synapse of a client that were not checked before."""
    known = _get_known_versions(client)
    return [
        ref
        for ref in refs
        if isinstance(ref, EntityRef)
        and ref.site in (None, client.repoEndpoint)
        and (ref.id, ref.version) not in known
    ]


def _require_source(client: Session, ref: EntityRef) -> None:
    """Check that a source exists that has no readable header."""
    version = "" if ref.version is None else f"/version/{ref.version}"
    try:
        client.call("GET", f"/entity/{ref.id}{version}")
    except SynapseForbiddenError:
        client.logger.debug("%s is declared as a source and is not readable", ref)
    except SynapseNotFoundError as error:
        raise UnknownSourceError(
            error.status,
            error.reason,
            error.call,
            advice=f"{ref} is declared as a source (used, executed or activity) of what the task "
            "stores. Correct its ID or version, or remove it.",
        ) from error


def _get_known_versions(client: Session) -> set[tuple[str, int | None]]:
    known: set[tuple[str, int | None]] = client.get_or_create("lineage.known_versions", set)
    return known


def _to_ref(header: Mapping[str, Any], site: str) -> EntityRef:
    """Return the reference of a current version; a container has no version."""
    version = None if header["type"] in CONTAINERS else int(header["versionNumber"])
    is_open = has_open_version({**header, "concreteType": header["type"]})
    return EntityRef(header["id"], version, site, is_open)

"""Conversion between lineage records and Activities."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_workflows.client.core.redaction import redact_name, redact_text, redact_url
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.constants import USED_ENTITY, USED_URL
from synapse_workflows.provenance.file_hashes import replace_local_files
from synapse_workflows.provenance.parameters import redact_description
from synapse_workflows.provenance.record import EntityRef, Origin, Record, Ref, UrlRef

#: Prefix of lines in the description of an Activity that list sources without a version.
GAP_PREFIX: Final = "Not pinned: "
#: ID or URL of a source, its version, and whether it was executed.
SourceKey = tuple[str, int | None, bool]
_COMMON_SCHEMES = frozenset({"http", "https", "ftp", "file"})


def build_activity(
    record: Record, name: str, description: str, *, site: str | None = None
) -> dict[str, Any]:
    """Build the body of an Activity from a record.

    Args:
        record: Record with the sources and the code.
        name: Name of the Activity.
        description: Description of the Activity.
        site: Repository endpoint of the Synapse that stores the Activity. Entities of another
            Synapse are represented by URLs.

    Returns:
        A dictionary with `name`, `description` and `used`. Every item of `used` has
        `concreteType` and `wasExecuted`, and either `reference`, or `url` and `name`.
    """
    used = [_create_item(ref, site, executed=False) for ref in record.inputs()]
    executed = [_create_item(ref, site, executed=True) for ref in record.executed()]
    return {
        "name": redact_name(name),
        "description": redact_description(description),
        "used": used + executed,
    }


def parse_declared(used: Any = None, executed: Any = None) -> Record:
    """Parse declared sources, as passed to the arguments `used` and `executed`.

    Args:
        used: An ID, a versioned ID, a URL, an entity, a reference returned by an operator, an
            item of `used` of an Activity, or a list of these.
        executed: Executed sources in the same forms, or local files; see `replace_local_files`.

    Raises:
        SynapseError: A source is of an unsupported type, or is a malformed entity or reference.
        ValueError: A string is neither a URL nor a Synapse ID.
    """
    executed = replace_local_files(executed)
    activity = Activity(used=_to_activity_input(used), executed=_to_activity_input(executed))
    return parse_activity(activity, Origin.DECLARED)


def redact_activity(activity: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of an Activity without credentials in its URLs; see `UrlRef`."""
    used = []
    for item in activity.get("used") or ():
        if "url" in item:
            url = UrlRef(item["url"], item.get("name"))
            used.append({**item, "url": url.url} | ({"name": url.name} if url.name else {}))
        else:
            used.append(item)
    redactions = {"name": redact_text, "description": redact_description}
    texts = {key: hide(activity[key]) for key, hide in redactions.items() if activity.get(key)}
    return {**activity, **texts, "used": used}


def parse_activity(activity: Mapping[str, Any], origin: Origin) -> Record:
    """Parse the `used` list of an Activity, and its gaps.

    For the origin `WROTE`, the gaps are parsed from the description. For other origins, the
    gaps are the URLs with a query.

    Args:
        activity: An Activity or its JSON.
        origin: Origin of the references in the Activity.
    """
    used: list[Ref] = []
    ran: list[Ref] = []
    for item in activity.get("used") or ():
        (ran if item.get("wasExecuted") else used).append(parse_source(item))
    gaps = parse_gaps(activity) if origin is Origin.WROTE else _find_dropped_queries(activity)
    return Record.from_refs(origin, used=used, ran=ran, gaps=gaps)


def have_same_sources(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether two Activities have the same sources.

    The order of the sources and the display names of URLs are ignored.
    """
    return _source_keys(first) == _source_keys(second)


def keep_added(
    body: Mapping[str, Any], known: Mapping[str, Any], current: Mapping[str, Any]
) -> dict[str, Any]:
    """Add to an Activity the sources that another client has added to the stored Activity.

    Args:
        body: The new state of the Activity.
        known: The stored Activity as it was before the change of the other client.
        current: The stored Activity.

    Returns:
        `body`, with the sources that are in `current` but not in `known`.
    """
    present = _source_keys(known) | _source_keys(body)
    added = [item for item in current.get("used") or () if get_source_key(item) not in present]
    return {**body, "used": [*body["used"], *added]}


def iter_unpinned(record: Record, site: str) -> Iterator[EntityRef]:
    """Iterate over the sources without a version that are entities of the Synapse at `site`."""
    refs = (*record.inputs(), *record.executed())
    for ref in refs:
        if isinstance(ref, EntityRef) and ref.version is None and ref.site in (None, site):
            yield ref


def move_uncommon_urls(activity: Mapping[str, Any]) -> dict[str, Any]:
    """Move URLs with uncommon schemes from the sources to the description.

    Some services reject an Activity with a URL such as `s3://bucket/key`.

    Args:
        activity: Result of `build_activity`.
    """
    uncommon = [
        item
        for item in activity["used"]
        if "url" in item and urlsplit(item["url"]).scheme not in _COMMON_SCHEMES
    ]
    lines = [f"{_get_role(item)}: {item['url']}" for item in uncommon]
    return {
        **activity,
        "description": "\n".join([activity["description"], *lines]),
        "used": [item for item in activity["used"] if item not in uncommon],
    }


def _get_role(item: Mapping[str, Any]) -> str:
    return "Executed" if item.get("wasExecuted") else "Used"


def _to_activity_input(target: Any) -> Any:
    """Convert references returned by operators to versioned IDs."""
    if isinstance(target, Sequence) and not isinstance(target, str):
        return [_to_activity_input(item) for item in target]
    if isinstance(target, Mapping) and {"id", "version", "synapse_conn_id"} <= target.keys():
        return f"{target['id']}.{target['version']}" if target["version"] else target["id"]
    return target


def _create_item(ref: Ref, site: str | None, *, executed: bool) -> dict[str, Any]:
    if isinstance(ref, EntityRef) and ref.site is not None and site not in (None, ref.site):
        ref = _to_remote_url(ref)
    if isinstance(ref, UrlRef):
        return {
            "concreteType": USED_URL,
            "wasExecuted": executed,
            "url": ref.url,
            "name": ref.name or ref.url,
        }
    reference: dict[str, Any] = {"targetId": ref.id}
    if ref.version is not None:
        reference["targetVersionNumber"] = ref.version
    return {"concreteType": USED_ENTITY, "wasExecuted": executed, "reference": reference}


def _to_remote_url(ref: EntityRef) -> UrlRef:
    version = "" if ref.version is None else f"/version/{ref.version}"
    site = redact_url(ref.site or "").rstrip("/")
    return UrlRef(f"{site}/entity/{ref.id}{version}", f"{ref} at {urlsplit(site).netloc}")


def parse_source(item: Mapping[str, Any]) -> Ref:
    """Parse an item of `used` of an Activity."""
    if "url" in item:
        return UrlRef(item["url"], item.get("name"))
    reference = item["reference"]
    version = reference.get("targetVersionNumber")
    return EntityRef(reference["targetId"], None if version is None else int(version))


def parse_gaps(activity: Mapping[str, Any]) -> list[str]:
    """Return the gaps that the description of an Activity lists."""
    lines = (activity.get("description") or "").splitlines()
    return [line.removeprefix(GAP_PREFIX) for line in lines if line.startswith(GAP_PREFIX)]


def _find_dropped_queries(activity: Mapping[str, Any]) -> list[str]:
    """Return a gap for each URL with a query, because `UrlRef` removes the query."""
    urls = [str(item["url"]) for item in activity.get("used") or () if "url" in item]
    redacted = [redact_url(url) for url in urls if "?" in url and redact_url(url) != url]
    return [f"{url}: the query of the URL is not recorded" for url in redacted]


def _source_keys(activity: Mapping[str, Any]) -> set[SourceKey]:
    return {get_source_key(item) for item in activity.get("used") or ()}


def get_source_key(item: Mapping[str, Any]) -> SourceKey:
    """Return what identifies an item of `used` of an Activity."""
    ref, executed = parse_source(item), bool(item.get("wasExecuted"))
    if isinstance(ref, UrlRef):
        return ref.url, None, executed
    return ref.id, ref.version, executed

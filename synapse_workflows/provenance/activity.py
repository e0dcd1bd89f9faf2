"""From a record to an Activity, and from what somebody declared to a record."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from synapse_workflows.client.model.activity import Activity
from synapse_workflows.constants import USED_ENTITY, USED_URL
from synapse_workflows.provenance.record import EntityRef, Origin, Record, Ref, UrlRef

_COMMON_SCHEMES = frozenset({"http", "https", "ftp", "file"})


def build_activity(
    record: Record, name: str, description: str, *, site: str | None = None
) -> dict[str, Any]:
    """Write a record as the body of an Activity.

    Args:
        record: what was used and run.
        name: of the Activity.
        description: of the Activity.
        site: the repository endpoint that the Activity is written to. An entity of another
            Synapse becomes a URL there, for its id would name something else.

    Returns:
        A dictionary with `name`, `description` and `used`; every item of `used` has
        `concreteType`, `wasExecuted`, and `reference` or `url` and `name`.
    """
    used = [_create_item(ref, site, executed=False) for ref in record.inputs()]
    executed = [_create_item(ref, site, executed=True) for ref in record.executed()]
    return {"name": name, "description": description, "used": used + executed}


def parse_declared(used: Any = None, executed: Any = None) -> Record:
    """Read what somebody typed as used and executed.

    Args:
        used: an id, a versioned id, a URL, an entity, a reference of our operators, a dictionary
            of an Activity's `used`, or a list of those.
        executed: likewise.

    Raises:
        SynapseMalformedEntityError: Something that cannot be told what it is.
        ValueError: Text that is neither a URL nor a Synapse id.
    """
    plain = Activity(used=_to_activity_input(used), executed=_to_activity_input(executed))
    return parse_activity(plain, Origin.DECLARED)


def parse_activity(activity: Mapping[str, Any], origin: Origin) -> Record:
    """Read the `used` list of an Activity.

    Args:
        activity: an Activity or its JSON.
        origin: how its references came to be known.
    """
    used: list[Ref] = []
    ran: list[Ref] = []
    for item in activity.get("used") or ():
        (ran if item.get("wasExecuted") else used).append(_parse_item(item))
    return Record.from_refs(origin, used=used, ran=ran)


def have_same_sources(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two Activities name the same sources, in whatever order.

    Names of URLs are labels and do not count.
    """
    return _source_keys(one) == _source_keys(other)


def iter_unpinned(record: Record, site: str) -> Iterator[EntityRef]:
    """List what counts of a record, lives in the Synapse at `site`, and has no version."""
    refs = (*record.inputs(), *record.executed())
    for ref in refs:
        if isinstance(ref, EntityRef) and ref.version is None and ref.site in (None, site):
            yield ref


def move_uncommon_urls(activity: Mapping[str, Any]) -> dict[str, Any]:
    """Name URLs of uncommon schemes in the description, and not among the sources.

    For a service that refuses an Activity because of an address as `s3://bucket/key`.

    Args:
        activity: as `activity_of` writes it.
    """
    uncommon = [
        item
        for item in activity["used"]
        if "url" in item and urlsplit(item["url"]).scheme not in _COMMON_SCHEMES
    ]
    said = [f"{_get_role(item)}: {item['url']}" for item in uncommon]
    return {
        **activity,
        "description": "\n".join([activity["description"], *said]),
        "used": [item for item in activity["used"] if item not in uncommon],
    }


def _get_role(item: Mapping[str, Any]) -> str:
    return "Executed" if item.get("wasExecuted") else "Used"


def _to_activity_input(target: Any) -> Any:
    """Turn the references that our operators return into versioned ids."""
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
    host = urlsplit(ref.site or "").netloc
    return UrlRef(f"{(ref.site or '').rstrip('/')}/entity/{ref.id}{version}", f"{ref} at {host}")


def _parse_item(item: Mapping[str, Any]) -> Ref:
    if "url" in item:
        return UrlRef(item["url"], item.get("name"))
    reference = item["reference"]
    version = reference.get("targetVersionNumber")
    return EntityRef(reference["targetId"], None if version is None else int(version))


def _source_keys(activity: Mapping[str, Any]) -> set[tuple[str, int | None, bool]]:
    facts: set[tuple[str, int | None, bool]] = set()
    for item in activity.get("used") or ():
        ref = _parse_item(item)
        executed = bool(item.get("wasExecuted"))
        if isinstance(ref, UrlRef):
            facts.add((ref.url, None, executed))
        else:
            facts.add((ref.id, ref.version, executed))
    return facts

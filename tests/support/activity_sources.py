"""Sources of Activities, in a short form."""

from typing import Any


def list_sources(syn: Any, entity: Any, version: int | None = None) -> tuple[list[str], list[str]]:
    """Return the used and the executed references of an entity's Activity.

    References to entities are IDs with a version, others are URLs.
    """
    used: list[str] = []
    executed: list[str] = []
    for item in syn.getProvenance(entity, version)["used"]:
        reference = item.get("reference")
        name = (
            f"{reference['targetId']}.{reference['targetVersionNumber']}"
            if reference
            else item["url"]
        )
        (executed if item["wasExecuted"] else used).append(name)
    return used, executed

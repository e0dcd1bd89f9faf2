"""What a client announces to whoever listens: it read, it wrote, it ran something."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Read:
    """Something was read.

    Args:
        entity_id: ``syn123``; None for what is no entity (see `url`).
        version: The version whose content was read; None for what has no versions.
        name: Its name.
        concrete_type: Its full type, ``org.sagebionetworks.repo.model.FileEntity``.
        how: The public method that read it, ``get``.
        url: Where it was read, for what is no entity.
    """

    entity_id: str | None
    version: int | None = None
    name: str | None = None
    concrete_type: str | None = None
    how: str = "get"
    url: str | None = None


@dataclass(frozen=True)
class Wrote:
    """An entity was stored; its annotations and provenance too, where they were given.

    Args:
        entity_id: ``syn123``.
        version: The version stored; None for what has no versions.
        name: Its name.
        concrete_type: Its full type.
        md5: MD5 of its file, 32 hexadecimal digits; None without a file.
        parent_id: The container it lies in.
        changed: False when everything was as it is already.
        activity_given: The caller gave provenance of its own.
        replaced: Nothing is left of what was there before; else the rows of a table are, beside
            those that were stored.
    """

    entity_id: str
    version: int | None = None
    name: str | None = None
    concrete_type: str | None = None
    md5: str | None = None
    parent_id: str | None = None
    changed: bool = True
    activity_given: bool = False
    replaced: bool = False


@dataclass(frozen=True)
class Ran:
    """Code was run that a reader of the provenance should know of.

    Args:
        name: What to call it.
        url: Where the code is, for code that is no entity.
        entity_id: ``syn123``, for code that is an entity.
        version: The version of that entity.
    """

    name: str
    url: str | None = None
    entity_id: str | None = None
    version: int | None = None


Event = Read | Wrote | Ran
Listener = Callable[[Event], None]

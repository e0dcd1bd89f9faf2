"""Values of a provenance trail: entity versions, Activities, URLs and users.

A trail is what is known about the origin of entity versions. Graphs, PROV documents and RO-Crates
are created from it. All texts and URLs are redacted when a value is created.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from synapse_workflows.client.core.redaction import redact_name, redact_text, redact_url
from synapse_workflows.provenance.activity import GAP_PREFIX

#: Lines in the description of the Activity of an Airflow task; see `lineage.activity_description`.
_AIRFLOW_RUN: Final = re.compile(r"^Airflow run (?P<run>\S+) of (?P<task>.+)$", re.MULTILINE)
_AIRFLOW_LINK: Final = re.compile(r"^https?://\S+/dags/\S+/runs/\S+/tasks/\S+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TrailEntity:
    """An entity version. Times are ISO 8601 texts in UTC; unknown values are None.

    Args:
        id: ID such as `syn123`.
        version: Version number; None for a container, or if unknown.
        name: Name of the entity.
        concrete_type: Concrete type, such as `org.sagebionetworks.repo.model.FileEntity`.
        description: Description of the entity.
        file_name: Name of the file, if it differs from the name of the entity.
        created_on: When the entity was created.
        created_by: ID of the user who created the entity.
        modified_on: When the version was created, or was last modified.
        modified_by: ID of the user who created or modified the version.
        version_label: Label of the version.
        version_comment: Comment of the version.
        content_type: Media type of the file.
        content_size: Size of the file in bytes.
        content_md5: MD5 of the file.
        content_url: URL of a file that is stored outside Synapse.
        license: License in the annotations of the entity: a URL, or a name.
        is_open: Whether this is the open version of a table or view, whose content may change.
        activity_id: ID of the Activity that generated the version; None if there is none.
        problem: Why the version could not be read; None if it was read.
    """

    id: str
    version: int | None = None
    name: str | None = None
    concrete_type: str | None = None
    description: str | None = None
    file_name: str | None = None
    created_on: str | None = None
    created_by: str | None = None
    modified_on: str | None = None
    modified_by: str | None = None
    version_label: str | None = None
    version_comment: str | None = None
    content_type: str | None = None
    content_size: int | None = None
    content_md5: str | None = None
    content_url: str | None = None
    license: str | None = None
    is_open: bool = False
    activity_id: str | None = None
    problem: str | None = None

    def __post_init__(self) -> None:
        for name in ("name", "file_name", "license", "version_label"):
            _redact_field(self, name, redact_name)
        for name in ("description", "version_comment", "problem"):
            _redact_field(self, name, redact_text)
        _redact_field(self, "content_url", redact_url)

    @property
    def key(self) -> str:
        """Identifier in the trail: `syn123.4`, or `syn123` without a version."""
        return self.id if self.version is None else f"{self.id}.{self.version}"


@dataclass(frozen=True, slots=True)
class TrailUrl:
    """An object outside Synapse.

    Args:
        url: URL without user info, query and fragment; see `redact_url`.
        name: Display name; None to display the URL.
    """

    url: str
    name: str | None = None

    def __post_init__(self) -> None:
        _redact_field(self, "url", redact_url)
        _redact_field(self, "name", redact_name)

    @property
    def key(self) -> str:
        """Identifier in the trail: the URL."""
        return self.url


@dataclass(frozen=True, slots=True)
class TrailUser:
    """A Synapse user; unknown values are None.

    Args:
        id: ID of the user.
        user_name: User name.
        first_name: First name.
        last_name: Last name.
        orcid: URL of the ORCID record.
    """

    id: str
    user_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    orcid: str | None = None

    @property
    def display_name(self) -> str:
        """First and last name; without them the user name, or else the ID."""
        names = " ".join(name for name in (self.first_name, self.last_name) if name)
        return names or self.user_name or f"Synapse user {self.id}"


@dataclass(frozen=True, slots=True)
class TrailActivity:
    """A Synapse Activity. Times are ISO 8601 texts in UTC; unknown values are None.

    Args:
        id: ID of the Activity.
        name: Name of the Activity.
        description: Description of the Activity.
        created_on: When the Activity was created.
        created_by: ID of the user who created the Activity.
        modified_on: When the Activity was last modified.
        modified_by: ID of the user who last modified the Activity.
        used: Keys of the used sources, in the order of the Activity, each once.
        executed: Keys of the executed sources, in the order of the Activity, each once.
    """

    id: str
    name: str | None = None
    description: str | None = None
    created_on: str | None = None
    created_by: str | None = None
    modified_on: str | None = None
    modified_by: str | None = None
    used: tuple[str, ...] = ()
    executed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _redact_field(self, "name", redact_name)
        _redact_field(self, "description", redact_text)

    @property
    def gaps(self) -> tuple[str, ...]:
        """What the Activity states as unknown about its sources."""
        lines = (self.description or "").splitlines()
        return tuple(x.removeprefix(GAP_PREFIX) for x in lines if x.startswith(GAP_PREFIX))

    @property
    def airflow_run(self) -> str | None:
        """ID of the Airflow run in which the Activity was recorded; None if not by Airflow."""
        match = _AIRFLOW_RUN.search(self.description or "")
        return match["run"] if match else None

    @property
    def airflow_task(self) -> str | None:
        """Airflow task that recorded the Activity, as `dag.task`; None if not by Airflow."""
        match = _AIRFLOW_RUN.search(self.description or "")
        return match["task"] if match else None

    @property
    def task_url(self) -> str | None:
        """URL of the task instance in the Airflow UI; None if unknown."""
        match = _AIRFLOW_LINK.search(self.description or "") if self.airflow_run else None
        return match[0] if match else None


@dataclass(frozen=True, slots=True)
class ProvenanceTrail:
    """Entity versions, and the Activities that generated them.

    Args:
        roots: Keys of the entity versions that the trail is about.
        entities: Entity versions by key.
        urls: Objects outside Synapse by key.
        activities: Activities by ID.
        users: Users by ID.
        portal: URL of the web portal, without a trailing slash.
        repository: URL of the REST API, without a trailing slash.
        notes: Sentences about the whole trail, for example where it was cut off.
    """

    roots: tuple[str, ...]
    entities: Mapping[str, TrailEntity] = field(default_factory=dict)
    urls: Mapping[str, TrailUrl] = field(default_factory=dict)
    activities: Mapping[str, TrailActivity] = field(default_factory=dict)
    users: Mapping[str, TrailUser] = field(default_factory=dict)
    portal: str = ""
    repository: str = ""
    notes: tuple[str, ...] = ()

    def get_source(self, key: str) -> TrailEntity | TrailUrl:
        """Return the entity version or the URL with a key."""
        entity = self.entities.get(key)
        return self.urls[key] if entity is None else entity

    def iter_generated(self, activity_id: str) -> Iterator[TrailEntity]:
        """Iterate over the entity versions in the trail that an Activity generated."""
        return (one for one in self.entities.values() if one.activity_id == activity_id)


def _redact_field(value: object, name: str, redact: Callable[[str], str]) -> None:
    text = getattr(value, name)
    if text is not None:
        object.__setattr__(value, name, redact(text))

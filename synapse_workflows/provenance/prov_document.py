"""W3C PROV documents of the provenance of an entity version."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from synapse_workflows.constants import ENTITY_TYPES
from synapse_workflows.provenance.exported_provenance import (
    ExportedProvenance,
    User,
    is_airflow_activity,
)
from synapse_workflows.provenance.graph_drawing import find_task_url
from synapse_workflows.provenance.provenance_graph import EntityVersion
from synapse_workflows.provenance.record import Ref, UrlRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prov.identifier import Identifier, Namespace, QualifiedName
    from prov.model import ProvDocument

#: Scheme and authority of a URL, and the rest.
_URL_PARTS: Final = re.compile(r"(.*?://[^/]*/|[^:]*:/*|)(.+)", re.DOTALL)
#: Characters of a URL that PROV-N can write in a name, besides letters and digits.
_SAFE: Final = "/@~&+*?#$!='(),:;[]-._%"
_BARE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

_SCHEMA: Final = "https://schema.org/"
_WORKFLOW_RUN: Final = "https://w3id.org/ro/terms/workflow-run#"
_RDFS: Final = "http://www.w3.org/2000/01/rdf-schema#"
_REST_DOCS: Final = "https://rest-docs.synapse.org/rest/"
_PACKAGES: Final = "https://pypi.org/project/"
_AIRFLOW: Final = "apache-airflow"


def build_document(provenance: ExportedProvenance) -> "ProvDocument":
    """Build a PROV document.

    Entity versions and URLs are entities. An Activity is an activity; the user who created it and
    Airflow, if it was recorded there, are agents. Executed code is the plan of an association. The
    Activities of Synapse have no start and no end; the time of a generation is the time of the
    version.

    Args:
        provenance: The provenance to write.

    Raises:
        ImportError: The extra `provenance` is not installed.
    """
    return _DocumentBuilder(provenance).build()


class _DocumentBuilder:
    """Builder of one document. Records are added in a fixed order."""

    def __init__(self, provenance: ExportedProvenance) -> None:
        try:
            from prov.model import ProvDocument
        except ImportError as error:
            raise ImportError(
                "PROV documents require prov, which is not installed: "
                "pip install 'synapse-workflows[provenance]'"
            ) from error
        self.provenance = provenance
        self.document = ProvDocument()
        base = {
            "synapse": f"{provenance.portal_url}/Synapse:",
            "user": f"{provenance.portal_url}/Profile:",
            "activity": f"{provenance.repository_url}/activity/",
            "model": _REST_DOCS,
            "package": _PACKAGES,
            "schema": _SCHEMA,
            "wfrun": _WORKFLOW_RUN,
            "rdfs": _RDFS,
        }
        self._namespaces = {prefix: self._register(prefix, uri) for prefix, uri in base.items()}
        self._names: dict[str, QualifiedName] = {}

    def build(self) -> "ProvDocument":
        """Add all records; return the document."""
        self._name_urls()
        for user in self.provenance.users.values():
            self._add_user(user)
        if any(is_airflow_activity(one) for one in self.provenance.activities):
            self._add_airflow()
        for entity in self.provenance.entities:
            self._add_entity(entity)
        for url in self.provenance.urls:
            self._add_url(url)
        for activity in self.provenance.activities:
            self._add_activity(activity)
        self._add_revisions()
        return self.document

    def _register(self, prefix: str, uri: str) -> "Namespace":
        return self.document.add_namespace(prefix, _quote(uri))

    def _name_urls(self) -> None:
        """Create a namespace for the scheme and authority of each URL."""
        for url in (one.url for one in self.provenance.urls):
            match = _URL_PARTS.fullmatch(url)
            base, local = (match[1], match[2]) if match else ("", url)
            base = base or f"{self.provenance.portal_url}/url/"
            if base not in self._namespaces:
                count = sum(prefix.startswith("url") for prefix in self._prefixes())
                self._namespaces[base] = self._register(f"url{count + 1}", base)
            self._names[url] = self._namespaces[base][_quote(local)]

    def _prefixes(self) -> Iterator[str]:
        return (namespace.prefix for namespace in self._namespaces.values())

    def _name(self, ref: Ref) -> "QualifiedName":
        if isinstance(ref, UrlRef):
            return self._names[ref.url]
        return self._namespaces["synapse"][str(ref)]

    def _add_user(self, user: User) -> None:
        from prov.constants import PROV

        self.document.agent(
            self._namespaces["user"][user.id],
            self._attributes(
                ("prov:type", PROV["Person"]),
                ("prov:label", user.display_name),
                ("schema:alternateName", user.user_name),
                ("schema:givenName", user.first_name),
                ("schema:familyName", user.last_name),
                ("schema:sameAs", _to_uri(user.orcid)),
            ),
        )

    def _add_airflow(self) -> None:
        from prov.constants import PROV

        self.document.agent(
            self._namespaces["package"][_AIRFLOW],
            self._attributes(
                ("prov:type", PROV["SoftwareAgent"]), ("prov:label", "Apache Airflow")
            ),
        )

    def _add_entity(self, entity: EntityVersion) -> None:
        name, content = self._name(entity.ref), entity.content
        url = self.provenance.get_entity_url(entity.ref)
        self.document.entity(
            name,
            self._attributes(
                ("prov:type", self._type_name(entity)),
                *self._plan_type(entity.ref),
                ("prov:label", entity.name),
                ("prov:location", _to_uri(url)),
                ("schema:identifier", entity.ref.id),
                ("schema:version", entity.ref.version),
                ("schema:dateCreated", _to_time(entity.created_on)),
                ("schema:dateModified", _to_time(entity.modified_on)),
                ("schema:name", content.file_name if content else None),
                ("schema:contentSize", content.size if content else None),
                ("schema:encodingFormat", content.content_type if content else None),
                ("wfrun:md5", content.md5 if content else None),
                *(("rdfs:comment", comment) for comment in self._list_comments(entity)),
            ),
        )
        if entity.modified_by:
            self.document.attribution(name, self._namespaces["user"][entity.modified_by])
        if entity.ref not in self.provenance.graph.generated_by and entity.modified_on:
            self.document.generation(name, time=_to_time(entity.modified_on))

    def _list_comments(self, entity: EntityVersion) -> list[str]:
        """Return what is not known about an entity version, and about the whole graph."""
        graph = self.provenance.graph
        notes = graph.notes if entity.ref in graph.roots else ()
        return [*self.provenance.list_gaps(entity), *notes]

    def _type_name(self, entity: EntityVersion) -> "QualifiedName | None":
        if entity.concrete_type not in ENTITY_TYPES:
            return None
        path = str(entity.concrete_type).replace(".", "/")
        return self._namespaces["model"][f"{path}.html"]

    @cached_property
    def _plans(self) -> "frozenset[QualifiedName]":
        """Names of the executed sources."""
        sources = (one for each in self.provenance.graph.sources.values() for one in each)
        return frozenset(self._name(one.ref) for one in sources if one.executed)

    def _plan_type(self, ref: Ref) -> list[tuple[str, Any]]:
        from prov.constants import PROV

        return [("prov:type", PROV["Plan"])] if self._name(ref) in self._plans else []

    def _add_url(self, url: UrlRef) -> None:
        self.document.entity(
            self._name(url),
            self._attributes(
                *self._plan_type(url),
                ("prov:label", url.name),
                ("prov:location", _to_uri(url.url)),
            ),
        )

    def _add_activity(self, activity: Mapping[str, Any]) -> None:
        name = self._namespaces["activity"][str(activity["id"])]
        self.document.activity(
            name,
            other_attributes=self._attributes(
                ("prov:label", activity.get("name")),
                ("prov:location", _to_uri(find_task_url(activity))),
                ("schema:description", activity.get("description")),
                ("schema:dateCreated", _to_time(activity.get("createdOn"))),
                ("schema:dateModified", _to_time(activity.get("modifiedOn"))),
            ),
        )
        activity_id = str(activity["id"])
        used = [self._name(ref) for ref in self.provenance.get_used(activity_id)]
        executed = [self._name(ref) for ref in self.provenance.get_executed(activity_id)]
        for source in used:
            self.document.usage(name, source)
        for plan in executed:
            role = self._attributes(("prov:role", "executed"))
            self.document.usage(name, plan, other_attributes=role)
        self._add_associations(name, activity, executed)
        for ref in self.provenance.get_generated(activity_id):
            generated = self._name(ref)
            time = _to_time(self.provenance.graph.entities[ref].modified_on)
            self.document.generation(generated, name, time=time)
            for source in used:
                if source != generated:
                    self.document.derivation(generated, source, activity=name)

    def _add_associations(
        self,
        name: "QualifiedName",
        activity: Mapping[str, Any],
        plans: "Sequence[QualifiedName]",
    ) -> None:
        """Associate an activity with its user, and with Airflow if it was recorded there."""
        user_id, is_airflow = activity.get("createdBy"), is_airflow_activity(activity)
        user = self._namespaces["user"][str(user_id)] if user_id else None
        airflow = self._namespaces["package"][_AIRFLOW] if is_airflow else None
        agent = airflow or user
        if agent is None:
            return
        for plan in plans or (None,):
            self.document.association(name, agent, plan)
        if airflow is not None and user is not None:
            self.document.association(name, user)
            self.document.delegation(airflow, user, name)

    def _add_revisions(self) -> None:
        """Relate each version of an entity to the previous version in the graph."""
        for previous, entity in pairwise(self.provenance.entities):
            if previous.ref.id == entity.ref.id and previous.ref.version:
                self.document.revision(self._name(entity.ref), self._name(previous.ref))

    def _attributes(self, *items: tuple[str, Any]) -> list[tuple[str, Any]]:
        """Return the attributes that have a value."""
        return [(name, value) for name, value in items if value is not None and value != ""]


def _to_uri(url: str | None) -> "Identifier | None":
    from prov.identifier import Identifier

    return Identifier(_quote(url)) if url else None


def _to_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _quote(text: str) -> str:
    """Return a URL, or a part of it, with only characters that PROV-N can write in a name."""
    return quote(_BARE_PERCENT.sub("%25", text), safe=_SAFE)


def serialize_prov_json(document: "ProvDocument") -> str:
    """Serialize a PROV document as PROV-JSON."""
    return f"{document.serialize(format='json', indent=2, sort_keys=True, ensure_ascii=False)}\n"


def serialize_prov_n(document: "ProvDocument") -> str:
    """Serialize a PROV document as PROV-N."""
    return f"{str(document.serialize(format='provn')).rstrip()}\n"

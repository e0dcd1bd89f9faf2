"""Entities of an RO-Crate: users, entity versions, URLs and programs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from synapse_workflows.constants import CONTAINERS, DATASET, FILE, TABLE, VIEWS
from synapse_workflows.provenance.exported_provenance import ExportedProvenance, User, format_time
from synapse_workflows.provenance.provenance_graph import EntityVersion
from synapse_workflows.provenance.record import EntityRef, Ref, UrlRef

if TYPE_CHECKING:
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

_DATASETS: Final = frozenset({*CONTAINERS, *VIEWS, TABLE, DATASET})
#: Schemes of URLs of files. An object with another scheme, for example a database, is no file.
_FILE_SCHEMES: Final = frozenset(
    {"http", "https", "ftp", "ftps", "sftp", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "hdfs"}
)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_CONTENT_HASH: Final = re.compile(r"#sha256=([0-9a-f]{64})$")
_COMMIT: Final = re.compile(r"[@/]([0-9a-f]{40})(?=[#/]|$)")
#: URL of the manifest of a container image, and the form without a protocol of registries.
_IMAGE: Final = re.compile(
    r"https://(?P<registry>[^/]+)/v2/(?P<name>.+)/manifests/(?P<version>[^/]+)"
    r"|docker://(?P<host>[^/]+)/(?P<path>[^@]+)(?:@(?P<digest>[^/]+))?"
)
_DIGEST: Final = "sha256:"
#: Characters of a URL that stay as they are.
SAFE: Final = "/@~&+*?#$!='(),:;[]-._%"
_DOCKER_IMAGE: Final = "https://w3id.org/ro/terms/workflow-run#DockerImage"


@dataclass(frozen=True, slots=True)
class IncludedFile:
    """A downloaded file of an entity version.

    Args:
        path: Path of the file.
        size: Size in bytes.
        sha256: SHA-256 of the content, 64 hexadecimal digits.
    """

    path: Path
    size: int
    sha256: str


class CrateEntities:
    """The entities of one crate. Each is added once; properties without a value are left out.

    Args:
        crate: Receives the entities.
        provenance: Describes the entities.
        files: Files whose content the crate includes; None if it includes no files.
    """

    def __init__(
        self,
        crate: "ROCrate",
        provenance: ExportedProvenance,
        files: Mapping[EntityRef, IncludedFile] | None,
    ) -> None:
        self._crate = crate
        self._provenance = provenance
        self._files = files or {}
        self._includes_files = files is not None
        self._sources: dict[str, Entity] = {}
        executed = (provenance.get_executed(str(one["id"])) for one in provenance.activities)
        self._code = {_key(ref) for refs in executed for ref in refs}

    def add(self, identifier: str, types: Any, /, **properties: Any) -> "Entity":
        """Add a contextual entity, unless the crate has an entity with this ID."""
        from rocrate.model.contextentity import ContextEntity

        known = self._crate.get(identifier)
        if known is not None:
            return known
        values = {"@type": types, **_drop_unknown(properties)}
        return self._crate.add(ContextEntity(self._crate, identifier, values))

    def add_user(self, user: User) -> "Entity":
        """Add a user as a person."""
        profile = f"{self._provenance.portal_url}/Profile:{user.id}"
        return self.add(
            user.orcid or profile,
            "Person",
            name=user.display_name,
            givenName=user.first_name,
            familyName=user.last_name,
            alternateName=user.user_name,
            url=profile,
        )

    def add_version(self, entity: EntityVersion) -> None:
        """Add an entity version: a file, a dataset, or another work."""
        url = self._provenance.get_entity_url(entity.ref)
        content = entity.content
        properties = {
            "name": entity.name or str(entity.ref),
            "description": " ".join(self._list_gaps(entity)),
            "identifier": str(entity.ref),
            "version": None if entity.ref.version is None else str(entity.ref.version),
            "url": url,
            "dateCreated": format_time(entity.created_on),
            "dateModified": format_time(entity.modified_on),
            "contentSize": None if content is None or content.size is None else str(content.size),
            "encodingFormat": content.content_type if content else None,
            "md5": content.md5 if content else None,
            "creator": self._find_user(entity.modified_by),
        }
        types = self._get_types(entity)
        self._sources[_key(entity.ref)] = self._add_source(entity, url, types, properties)

    def _add_source(
        self, entity: EntityVersion, url: str, types: list[str], properties: dict[str, Any]
    ) -> "Entity":
        from rocrate.model.dataset import Dataset
        from rocrate.model.file import File

        values = {"@type": _compact(types), **_drop_unknown(properties)}
        if "Dataset" in types:
            return self._crate.add(Dataset(self._crate, f"{url}/", properties=values))
        if "File" not in types:
            return self.add(url, _compact(types), **properties)
        included = self._files.get(entity.ref)
        if included is None:
            return self._add_web_file(self._get_file_url(entity), types, properties)
        values |= {"contentSize": str(included.size), "sha256": included.sha256}
        path = f"data/{entity.ref}/{included.path.name}"
        return self._crate.add(File(self._crate, included.path, path, properties=values))

    def _add_web_file(
        self, identifier: str, types: list[str], properties: Mapping[str, Any]
    ) -> "Entity":
        """Add a file that the crate does not include, unless the crate has one with this ID."""
        from rocrate.model.file import File

        known = self._crate.get(identifier)
        if known is not None:
            return known
        values = {"@type": _compact(types), **_drop_unknown(properties)}
        return self._crate.add(File(self._crate, identifier, properties=values))

    def _list_gaps(self, entity: EntityVersion) -> list[str]:
        gaps = self._provenance.list_gaps(entity)
        is_missing = entity.concrete_type == FILE and entity.ref not in self._files
        if self._includes_files and is_missing:
            gaps.append("The content is not included: it cannot be downloaded from Synapse.")
        return gaps

    def _get_file_url(self, entity: EntityVersion) -> str:
        version = "" if entity.ref.version is None else f"/version/{entity.ref.version}"
        return f"{self._provenance.repository_url}/entity/{entity.ref.id}{version}/file"

    def _get_types(self, entity: EntityVersion) -> list[str]:
        is_code = _key(entity.ref) in self._code
        if entity.concrete_type == FILE:
            return ["File", "SoftwareSourceCode"] if is_code else ["File"]
        if entity.concrete_type in _DATASETS:
            return ["Dataset"]
        return ["SoftwareSourceCode"] if is_code else ["CreativeWork"]

    def add_url(self, url: UrlRef) -> None:
        """Add an object outside Synapse: a file, a program, or another work."""
        is_code = _key(url) in self._code
        self._sources[_key(url)] = self._add_program(url) if is_code else self._add_work(url)

    def _add_program(self, url: UrlRef) -> "Entity":
        identifier, properties = _identify(url)
        image, commit = _IMAGE.fullmatch(url.url), _COMMIT.search(url.url)
        if image is not None:
            return self._add_image(identifier, image, properties)
        commit_version = commit[1] if commit else None
        digest = properties.get("sha256")
        properties["version"] = f"{_DIGEST}{digest}" if digest else commit_version
        if _is_file(identifier):
            return self._add_web_file(identifier, ["File", "SoftwareSourceCode"], properties)
        return self.add(identifier, "SoftwareSourceCode", **properties)

    def _add_work(self, url: UrlRef) -> "Entity":
        identifier, properties = _identify(url)
        if _is_file(identifier):
            return self._add_web_file(identifier, ["File"], properties)
        return self.add(identifier, "CreativeWork", **properties)

    def _add_image(
        self, identifier: str, image: re.Match[str], properties: Mapping[str, Any]
    ) -> "Entity":
        version = image["version"] or image["digest"]
        has_digest = version is not None and version.startswith(_DIGEST)
        return self.add(
            identifier,
            ["SoftwareApplication", "ContainerImage"],
            **properties,
            additionalType={"@id": _DOCKER_IMAGE},
            alternateName=image["name"] or image["path"],
            registry=image["registry"] or image["host"],
            sha256=version.removeprefix(_DIGEST) if has_digest else None,
            tag=None if has_digest else version,
            softwareVersion=version,
        )

    def add_unknown_program(self) -> "Entity":
        """Add the program of Activities that do not name the executed code."""
        return self.add(
            "#unknown-program",
            "SoftwareApplication",
            name="Unknown program",
            description="The Activity does not name the code that was executed.",
        )

    def get_source(self, ref: Ref) -> "Entity":
        """Return the entity of an entity version or a URL."""
        return self._sources[_key(ref)]

    def get_code(self, ref: Ref) -> "Entity":
        """Return the entity of executed code."""
        source = self._sources[_key(ref)]
        if {"SoftwareSourceCode", "SoftwareApplication"} & {*_as_list(source.type)}:
            return source
        # for example a folder with programs
        name, url = source.get("name"), source.get("url")
        return self.add(f"{source.id}#program", "SoftwareApplication", name=name, url=url)

    def _find_user(self, user_id: str | None) -> "Entity | None":
        user = self._provenance.users.get(user_id or "")
        return None if user is None else self.add_user(user)


def _identify(url: UrlRef) -> tuple[str, dict[str, Any]]:
    """Return the ID of an object outside Synapse, and its properties."""
    name, digest = url.name or url.url, _CONTENT_HASH.search(url.url)
    if (
        digest is not None
    ):  # the URL has no directory: it identifies the content, and leads nowhere
        identifier = f"#sha256-{digest[1]}-{quote(url.name or '', safe='')}"
        return identifier, {"name": name, "sha256": digest[1]}
    identifier = quote(url.url, safe=SAFE)
    if not _is_valid(identifier):
        return f"#url-{quote(url.url, safe='')}", {"name": name}
    return identifier, {"name": name, "url": identifier}


def _is_valid(url: str) -> bool:
    """Return whether a text is a URL that other programs can parse."""
    try:
        urlsplit(url)
    except ValueError:
        return False
    return _SCHEME.match(url) is not None


def _is_file(identifier: str) -> bool:
    scheme = _SCHEME.match(identifier)
    return scheme is not None and scheme[1].lower() in _FILE_SCHEMES


def _key(ref: Ref) -> str:
    return ref.url if isinstance(ref, UrlRef) else str(ref)


def _drop_unknown(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value not in (None, "", [])}


def _compact(types: list[str]) -> Any:
    return types[0] if len(types) == 1 else types


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

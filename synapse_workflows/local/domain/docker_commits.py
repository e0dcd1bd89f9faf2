"""Docker repositories: their commits and tags, and the lookup by repository name.

All repositories are external: clients register the commits. A commit assigns a tag to the digest
of an image. A later commit can move the tag to another digest; the earlier commit remains.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import DOCKER_REPOSITORY, AccessType
from synapse_workflows.local.domain import access, entities, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import format_entity_id, next_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.visibility import is_readable_by
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.docker_models import DockerCommit
from synapse_workflows.local.storage.models import Entity, EntityVersion

#: Tag of an image, as Docker defines it.
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
#: Digest of an image. Docker requires 32 or more hexadecimal digits; the service does not.
_DIGEST: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{1,128}"
)


class SortBy(StrEnum):
    """Property that sorts the tags of a repository."""

    CREATED_ON = "CREATED_ON"
    TAG = "TAG"


def _require_repository(
    session: Session, caller: Caller, entity_id: int, right: AccessType
) -> Entity:
    """Return a Docker repository on which the caller has a right.

    Raises:
        BadRequest: The entity is not a Docker repository.
        Forbidden: The caller lacks the right.
        NotFound: No such entity.
    """
    entity = access.require(session, caller, entity_id, right)
    if entity.concrete_type != DOCKER_REPOSITORY:
        raise BadRequest(
            f"{format_entity_id(entity_id)} is not a Docker repository: only Docker repositories "
            "have commits and tags."
        )
    return entity


def _parse_pattern(body: Mapping[str, Any], key: str, pattern: re.Pattern[str]) -> str | None:
    value = request_fields.get_text(body, key)
    if value is not None and pattern.fullmatch(value) is None:
        example = "'latest'" if key == "tag" else "'sha256:' and hexadecimal digits"
        raise BadRequest(f"Invalid {key} '{value}': expected for example {example}.")
    return value


def create(session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]) -> None:
    """Add a commit to a repository. The etag of the repository changes.

    Args:
        session: Database session with write access.
        caller: User of the request; needs UPDATE.
        entity_id: ID of the repository.
        body: The DockerCommit: the digest of an image and, optionally, a tag.

    Raises:
        BadRequest: The entity is not a Docker repository, or a property is missing or invalid.
        Forbidden: The caller lacks UPDATE.
        NotFound: No such entity.
    """
    entity = _require_repository(session, caller, entity_id, AccessType.UPDATE)
    tag, digest = _parse_pattern(body, "tag", _TAG), _parse_pattern(body, "digest", _DIGEST)
    if digest is None:
        raise BadRequest("digest is required.")
    session.add(
        DockerCommit(
            id=next_id(session, "docker_commit"),
            entity_id=entity.id,
            tag=tag,
            digest=digest,
            created_on=caller.now,
        )
    )
    entities.record_change(session, caller, entity, entities.get_version(session, entity))


def list_tags(
    session: Session,
    caller: Caller,
    entity_id: int,
    page: Page,
    *,
    sort_by: SortBy = SortBy.CREATED_ON,
    is_ascending: bool = False,
) -> list[dict[str, Any]]:
    """List the tags of a repository, each with the latest commit (DockerCommit).

    Raises:
        BadRequest: The entity is not a Docker repository.
        Forbidden: The caller lacks READ.
        NotFound: No such entity.
    """
    entity = _require_repository(session, caller, entity_id, AccessType.READ)
    latest = (
        select(func.max(DockerCommit.id))
        .where(DockerCommit.entity_id == entity.id, DockerCommit.tag.is_not(None))
        .group_by(DockerCommit.tag)
    )
    keys = [DockerCommit.tag] if sort_by is SortBy.TAG else [DockerCommit.created_on]
    query = (
        select(DockerCommit)
        .where(DockerCommit.id.in_(latest))
        .order_by(
            *(each.asc() if is_ascending else each.desc() for each in (*keys, DockerCommit.id))
        )
        .limit(page.limit)
        .offset(page.offset)
    )
    return [
        {"tag": each.tag, "digest": each.digest, "createdOn": to_iso(each.created_on)}
        for each in session.scalars(query)
    ]


def check_digest(session: Session, entity: Entity, digest: str | None) -> None:
    """Check that a repository has a commit with a digest.

    Raises:
        BadRequest: The digest is missing, or no commit of the repository has it.
    """
    repository = format_entity_id(entity.id)
    if not digest:
        raise BadRequest(f"dockerDigest is required: {repository} is a Docker repository.")
    is_commit = exists().where(DockerCommit.entity_id == entity.id, DockerCommit.digest == digest)
    if not session.scalar(select(is_commit)):
        raise BadRequest(
            f"The Docker repository {repository} has no commit with the digest '{digest}'."
        )


def find_repository(session: Session, caller: Caller, name: str) -> int:
    """Return the entity ID of the oldest readable Docker repository with a repository name.

    Raises:
        NotFound: The caller can read no such repository.
    """
    query = (
        select(Entity.id)
        .join(EntityVersion, EntityVersion.entity_id == Entity.id)
        .where(
            Entity.concrete_type == DOCKER_REPOSITORY,
            EntityVersion.number == Entity.current_version,
            EntityVersion.properties["repositoryName"].as_string() == name,
            is_readable_by(caller),
        )
        .order_by(Entity.id)
        .limit(1)
    )
    entity_id = session.scalar(query)
    if entity_id is None:
        raise NotFound(f"Docker repository with name '{name}' does not exist")
    return entity_id

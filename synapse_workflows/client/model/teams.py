"""Teams and their members."""

from collections.abc import Mapping
from typing import Any

from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.rest_object import RestObject
from synapse_workflows.client.model.users import UserGroupHeader


class Team(RestObject):
    """A team of users; the keys are those of the REST API.

    Args:
        **kwargs: ``name`` (unique among teams and users), ``description``, ``icon`` (ID of a file
            handle), ``canPublicJoin`` (whether every user may join), and for stored teams ``id``,
            ``etag``, ``createdOn``, ``createdBy``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    @classmethod
    def getURI(cls, id: str | int) -> str:
        """Return the path of a team."""
        return f"/team/{id}"

    def postURI(self) -> str:
        """Return the path that creates the team."""
        return "/team"

    def putURI(self) -> str:
        """Return the path that updates the team."""
        return "/team"

    def deleteURI(self) -> str:
        """Return the path that deletes the team."""
        return self.getURI(self.id)

    def getACLURI(self) -> str:
        """Return the path of the access control list."""
        return f"/team/{self.id}/acl"

    def putACLURI(self) -> str:
        """Return the path that updates the access control list."""
        return "/team/acl"


class TeamMember(DictObject):
    """A member of a team: ``teamId``, ``member`` (a `UserGroupHeader`) and ``isAdmin``."""

    def __init__(self, **kwargs: Any) -> None:
        member = kwargs.get("member")
        if isinstance(member, Mapping):
            kwargs["member"] = UserGroupHeader(**member)
        super().__init__(**kwargs)

"""User profiles and principal headers."""

from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.rest_object import RestObject


class UserProfile(RestObject):
    """Profile of a user; the keys are those of the REST API.

    Always present: ``ownerId`` (the principal ID as decimal text) and ``userName``. Usually
    present: ``firstName``, ``lastName``, ``emails``, ``etag``, ``createdOn``, ``company``,
    ``position``. Profiles have no ``displayName``. Users can update their own profile only.
    """

    def putURI(self) -> str:
        """Return the path that updates the profile."""
        return "/userProfile"


class UserGroupHeader(DictObject):
    """Header of a user or a team; the keys are those of the REST API.

    Keys: ``ownerId`` (decimal text), ``userName`` (or the name of the team), ``isIndividual``
    (False for a team) and, for users, ``firstName`` and ``lastName``.
    """

"""Who there is in Synapse: users, as their profiles and headers tell."""

from synapse_workflows.client.model.dict_object import DictObject


class UserProfile(DictObject):
    """What Synapse knows of a user; keys as in the REST API.

    Always there: ``ownerId`` (the principal id, decimal text) and ``userName``. Often:
    ``firstName``, ``lastName``, ``emails``, ``etag``, ``createdOn``, ``company``, ``position``.
    Today's profiles carry no ``displayName``.
    """


class UserGroupHeader(DictObject):
    """A user or a team in a list; keys as in the REST API.

    ``ownerId`` (decimal text), ``userName`` (a team's name too), ``isIndividual`` (False for a
    team), and for users ``firstName`` and ``lastName``.
    """

"""Objects other than entities that are stored under a URI of their own, such as evaluations."""

from synapse_workflows.client.model.dict_object import DictObject


class RestObject(DictObject):
    """An object that `store` creates or updates, and `delete` deletes, with one request.

    The methods return the paths of the requests. None means that Synapse has no such request.
    """

    def postURI(self) -> str | None:
        """Return the path that creates the object."""
        return None

    def putURI(self) -> str | None:
        """Return the path that updates the object."""
        return None

    def deleteURI(self) -> str | None:
        """Return the path that deletes the object."""
        return None

    def getACLURI(self) -> str | None:
        """Return the path of the access control list."""
        return None

    def putACLURI(self) -> str | None:
        """Return the path that updates the access control list."""
        return None

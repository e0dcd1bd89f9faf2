"""The flat surface of the client: which function of `client.api` each method is."""

from synapse_workflows.client.core.session import Session


class Synapse(Session):
    """A client of Synapse."""

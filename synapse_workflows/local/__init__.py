"""Local service that is compatible with the REST API of Synapse."""

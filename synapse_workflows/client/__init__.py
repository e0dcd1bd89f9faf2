"""The Synapse client: the flat class, what it talks about, and how it talks."""

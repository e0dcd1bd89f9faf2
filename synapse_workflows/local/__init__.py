"""A Synapse-compatible service on this machine."""

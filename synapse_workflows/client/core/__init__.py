"""How to talk to Synapse: one seam, flows, sessions, credentials, the cache."""

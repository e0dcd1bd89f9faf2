"""The rules of the service; no HTTP."""

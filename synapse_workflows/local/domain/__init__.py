"""Rules of the local service, without HTTP."""

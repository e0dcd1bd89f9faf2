"""Database models and files of the local service, without rules."""

"""Wikis of entities, evaluations and access requirements."""

"""Lineage as values: what a task read, wrote and ran, and the Activity it becomes."""

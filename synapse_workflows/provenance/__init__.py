"""Lineage records of tasks, and their conversion to Synapse Activities."""

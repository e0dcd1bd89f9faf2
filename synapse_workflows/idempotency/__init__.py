"""Retry-safe table writes and snapshots."""

"""Retry-safe table writes and snapshots, for operators and for hooks."""

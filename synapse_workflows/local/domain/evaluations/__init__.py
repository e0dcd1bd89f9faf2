"""Evaluations: queues that take submissions, and the scores that those are given."""

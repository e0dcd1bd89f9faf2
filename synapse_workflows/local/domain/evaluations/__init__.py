"""Evaluations, submissions to them, and the statuses of submissions."""

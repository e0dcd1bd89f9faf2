"""Staging: files that one task makes and another task, maybe on another machine, takes."""

"""Challenges: claims on submissions to an evaluation queue."""

"""Synchronization of a Synapse folder with a directory: plan, apply and manifest."""

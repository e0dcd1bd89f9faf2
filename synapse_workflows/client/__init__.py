"""Synapse client: class `Synapse`, its data model, its sessions and its transfers."""

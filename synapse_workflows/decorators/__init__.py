"""Task decorators for Synapse."""

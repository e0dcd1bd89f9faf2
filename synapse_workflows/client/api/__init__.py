"""What Synapse offers, one module per chapter of its REST documentation."""

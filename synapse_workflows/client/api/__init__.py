"""Methods of the client, one module per chapter of the REST documentation."""

"""S3-compatible storage of the local service: server, temporary credentials, objects."""

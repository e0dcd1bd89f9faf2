"""HTTP sessions, retries, flows, credentials, configuration and the file cache."""

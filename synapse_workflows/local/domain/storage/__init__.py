"""Storage locations, project settings, upload destinations, and temporary credentials."""

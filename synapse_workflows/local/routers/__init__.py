"""HTTP routes of the local service; they contain no rules."""

"""Tables and bytes; no rules."""

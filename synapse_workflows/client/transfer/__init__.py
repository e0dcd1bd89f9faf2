"""How bytes move: plans, one manager, uploads, downloads."""

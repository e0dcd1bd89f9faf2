"""How the objects that the cases of `support.route_case` name are created, by subject."""

"""Views: tables whose rows are things that exist on their own: entities, submissions."""

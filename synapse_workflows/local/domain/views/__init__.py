"""Views: tables whose rows are entities that exist on their own."""

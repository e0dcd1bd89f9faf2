"""Views: tables whose rows are entities or submissions."""

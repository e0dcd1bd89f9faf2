"""Tables: their columns, their rows, and the queries on them."""

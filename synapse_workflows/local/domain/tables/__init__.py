"""Tables: columns, rows, transactions and queries."""

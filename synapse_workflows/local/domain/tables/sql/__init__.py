"""The SQL of tables: parsed by a small dialect, checked node by node, rewritten for SQLite.

dialect     text -> tree of sqlglot; what is no query of the subset is refused
fragments   pieces of SQLite's SQL with their types and bound values
operators, functions, aggregates, conditions, expressions      node -> fragment
selects     query -> one statement
sqlite_*    what the statement calls: functions, aggregates, the collation
"""

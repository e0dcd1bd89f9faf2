"""Compiler from Synapse SQL to SQLite.

dialect, token_checks
    Parser of the SQL, based on sqlglot. Rejects syntax outside the supported subset.
typed_sql
    SQL fragments with a type and bound parameters.
compiler
    Dispatch from syntax nodes to their handlers.
functions, arithmetic, aggregates, conditions, expressions, grouping
    Handlers for the nodes of a query.
select_compiler
    Compiler of a whole SELECT statement.
collation, sqlite_functions, sqlite_aggregates, sqlite_dates, sqlite_json, sqlite_numbers
    Collation and SQL functions that compiled statements use when SQLite executes them.
"""

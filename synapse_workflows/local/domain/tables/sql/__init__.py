"""Compiler from Synapse SQL to SQLite.

dialect, token_checks
    Parse the SQL with sqlglot. Syntax outside the supported subset is rejected.
typed_sql
    SQL fragments with a type and bound parameters.
compiler
    Dispatch from syntax nodes to their handlers.
functions, arithmetic, aggregates, conditions, expressions, grouping
    Handlers for the nodes of a query.
select_compiler
    Compile a whole SELECT.
collation, sqlite_functions, sqlite_aggregates, sqlite_dates, sqlite_json, sqlite_numbers
    Collation and functions that compiled statements use at run time.
"""

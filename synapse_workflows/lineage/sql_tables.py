"""Tables that SQL statements read and write."""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

#: Maximum length of a text that is parsed, in characters. Parsing takes about 4 s per million.
_MAX_LENGTH: Final = 200_000
_READS: Final = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "FROM", "("})
_WRITES: Final = frozenset(
    {"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "UPSERT", "COPY", "TRUNCATE", "LOAD"}
)
#: Statements whose tables are unknown.
_CALLS: Final = frozenset({"CALL", "EXEC", "EXECUTE", "DO"})
#: Schemas of metadata.
_METADATA: Final = frozenset({"information_schema", "pg_catalog"})
_METADATA_TABLES: Final = frozenset({"sqlite_master", "sqlite_schema"})
_WORD: Final = re.compile(r"\w+|\(")
_COMMENTS: Final = re.compile(r"\A(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", re.DOTALL)
_INSERT_SYNONYM: Final = re.compile(r"\b(?:REPLACE|UPSERT)\s+INTO\b", re.IGNORECASE)
_UNLOAD: Final = re.compile(r"\s*\(\s*'((?:[^']|'')*)'\s*\)\s+TO\s+'([^']+)'", re.IGNORECASE)


class TableName(NamedTuple):
    """Name of a table as a statement spells it, in the case in which the database stores it."""

    catalog: str
    schema: str
    name: str


@dataclass(frozen=True)
class SqlAccess:
    """What one SQL statement accesses.

    Args:
        read: Tables that the statement reads.
        written: Tables and views that the statement changes or creates with rows.
        dropped: Tables that the statement drops.
        urls_read: URLs of files that the statement reads.
        urls_written: URLs of files that the statement writes.
        is_temporary: Whether the written tables are temporary.
        is_unknown: Whether the statement accesses tables that could not be determined.
        is_write: Whether an unknown access is a write.
    """

    read: tuple[TableName, ...] = ()
    written: tuple[TableName, ...] = ()
    dropped: tuple[TableName, ...] = ()
    urls_read: tuple[str, ...] = ()
    urls_written: tuple[str, ...] = ()
    is_temporary: bool = False
    is_unknown: bool = False
    is_write: bool = False


@lru_cache(maxsize=512)
def parse_sql(sql: str, dialect: str | None) -> tuple[SqlAccess, ...]:
    """Return the accesses of each statement of a text, in order.

    Without sqlglot, and for a text that it does not parse, the tables are unknown.

    Args:
        sql: One or more statements.
        dialect: Name of a dialect of sqlglot; None for common SQL.
    """
    try:
        import sqlglot
    except ImportError:
        return tuple(_guess_access(sql))
    if len(sql) > _MAX_LENGTH:
        return tuple(_guess_access(sql))
    text = _INSERT_SYNONYM.sub("INSERT INTO", sql)
    try:
        with _quiet_parser():
            parsed = sqlglot.parse(text, dialect=dialect)
            return tuple(_find_access(one, dialect) for one in parsed if one is not None)
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError):
        return tuple(_guess_access(sql))


@contextmanager
def _quiet_parser() -> Iterator[None]:
    """Do not warn in the log of the task about statements that sqlglot does not know."""
    logger = logging.getLogger("sqlglot")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _guess_access(sql: str) -> Iterator[SqlAccess]:
    """Yield what a statement does, from its first word."""
    word = _WORD.match(_COMMENTS.sub("", sql))
    first = word.group().upper() if word else ""
    if first in _CALLS | _READS | _WRITES:
        yield SqlAccess(is_unknown=True, is_write=first in _WRITES)


def _find_access(statement: Any, dialect: str | None) -> SqlAccess:
    from sqlglot import exp

    if isinstance(statement, exp.Command):
        rest = statement.expression
        text = rest.name if isinstance(rest, exp.Expression) else str(rest)
        return _parse_command(str(statement.this), text, dialect)
    if isinstance(statement, exp.Execute):
        return SqlAccess(is_unknown=True)
    if isinstance(statement, exp.Drop):
        return SqlAccess(dropped=tuple(_iter_names(statement.find_all(exp.Table), dialect)))
    if isinstance(statement, exp.Copy):
        return _parse_copy(statement, dialect)
    targets = _find_targets(statement)
    if targets is None:
        return SqlAccess()
    tables = [one for one in statement.find_all(exp.Table) if one not in _Identities(targets)]
    read = [one for one in tables if not _is_cte(one) and isinstance(one.this, exp.Identifier)]
    is_unknown = any(isinstance(one.this, exp.Anonymous) for one in tables)
    urls = [one.name for one in read if "://" in one.name]
    return SqlAccess(
        read=tuple(_iter_names((one for one in read if "://" not in one.name), dialect)),
        written=tuple(_iter_names(targets, dialect)),
        urls_read=tuple(urls),
        is_temporary=statement.find(exp.TemporaryProperty) is not None,
        is_unknown=is_unknown,
    )


class _Identities:
    """Objects that are compared by identity: expressions of sqlglot are equal if their SQL is."""

    def __init__(self, objects: Iterable[object]) -> None:
        self._ids = {id(one) for one in objects}

    def __contains__(self, one: object) -> bool:
        return id(one) in self._ids


def _find_targets(statement: Any) -> list[Any] | None:
    """Return the tables that a statement changes; None if it has no rows, as `SET`."""
    from sqlglot import exp

    if isinstance(statement, exp.TruncateTable):
        return list(statement.expressions)
    if isinstance(statement, exp.Create):
        has_rows = isinstance(statement.expression, exp.Query)
        return [_get_table(statement)] if has_rows else None
    if isinstance(statement, exp.Insert | exp.Update | exp.Delete | exp.Merge | exp.LoadData):
        target = _get_table(statement)
        return [] if target is None else [target]
    return [] if isinstance(statement, exp.Query) else None


def _get_table(statement: Any) -> Any:
    from sqlglot import exp

    target = statement.this
    return target if isinstance(target, exp.Table) else target and target.find(exp.Table)


def _parse_copy(statement: Any, dialect: str | None) -> SqlAccess:
    from sqlglot import exp

    names = [file.name for file in statement.args.get("files") or ()]
    urls = tuple(name for name in names if "://" in name)
    tables = [
        table
        for table in statement.this.find_all(exp.Table)
        if isinstance(table.this, exp.Identifier) and not _is_cte(table)
    ]
    found = tuple(_iter_names(tables, dialect))
    if statement.args.get("kind"):
        return SqlAccess(written=found, urls_read=urls)
    return SqlAccess(read=found, urls_written=urls)


def _parse_command(word: str, rest: str, dialect: str | None) -> SqlAccess:
    """Return the access of a statement that sqlglot does not parse."""
    unload = _UNLOAD.match(rest) if word.upper() == "UNLOAD" else None
    if unload is not None:
        accesses = parse_sql(unload.group(1).replace("''", "'"), dialect)
        read = tuple(table for access in accesses for table in access.read)
        return SqlAccess(read=read, urls_written=(unload.group(2),))
    is_known = word.upper() in _CALLS | _WRITES
    return SqlAccess(is_unknown=is_known, is_write=word.upper() in _WRITES)


def _is_cte(table: Any) -> bool:
    """Return whether a name refers to a common table expression that is visible at its place."""
    from sqlglot import exp

    if table.args.get("db") is not None:
        return False
    child, parent = table, table.parent
    while parent is not None:
        clause = parent.args.get("with_")
        if isinstance(clause, exp.With):
            names = [cte.alias.lower() for cte in clause.expressions]
            if child is clause:
                names = _list_earlier(clause, table, names)
            if table.name.lower() in names:
                return True
        child, parent = parent, parent.parent
    return False


def _list_earlier(clause: Any, table: Any, names: list[str]) -> list[str]:
    """Return the names of the expressions that the expression around a table may refer to."""
    for position, cte in enumerate(clause.expressions):
        if any(one is table for one in cte.find_all(type(table))):
            return names[: position + bool(clause.args.get("recursive"))]
    return names


def _iter_names(tables: Iterable[Any], dialect: str | None) -> Iterator[TableName]:
    from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

    for table in tables:
        one = normalize_identifiers(table.copy(), dialect=dialect)
        is_metadata = one.db.lower() in _METADATA or one.name.lower() in _METADATA_TABLES
        if one.name and not is_metadata:
            yield TableName(one.catalog, one.db, one.name)

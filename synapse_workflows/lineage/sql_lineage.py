"""Lineage of the SQL statements that hooks report to Airflow's hook lineage collector."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from synapse_workflows.lineage.database_urls import Database, find_database
from synapse_workflows.lineage.sql_tables import SqlAccess, parse_sql
from synapse_workflows.provenance.record import Origin, Record, UrlRef

#: Key under which the hooks of `common.sql` report a statement.
SQL_KEY: Final = "sql_job"


def collect_sql(reports: Iterable[tuple[Any, Mapping[str, Any]]]) -> Record:
    """Return the tables that statements have read and written, as URLs.

    A table that the task has written before it reads it is no input.

    Args:
        reports: Hooks, and the statements that they report, in order.
    """
    access = _TaskAccess()
    for hook, report in reports:
        schema = report.get("default_schema")
        database = find_database(hook, report.get("default_db"), schema)
        if database is None:
            continue
        for one in parse_sql(str(report.get("sql") or ""), database.dialect):
            access.add(database, one)
    return access.to_record()


class _TaskAccess:
    """What the statements of a task have accessed so far."""

    def __init__(self) -> None:
        self.read: dict[str, None] = {}
        self.written: dict[str, None] = {}
        self.temporary: set[str] = set()
        self.gaps: list[str] = []

    def add(self, database: Database, one: SqlAccess) -> None:
        """Add what a statement accesses."""
        for url in (*map(database.get_table_url, one.read), *one.urls_read):
            if url not in self.written and url not in self.temporary:
                self.read[url] = None
        written = list(map(database.get_table_url, one.written))
        if one.is_temporary:
            self.temporary.update(written)
        else:
            self.written.update(dict.fromkeys((*written, *one.urls_written)))
        for url in map(database.get_table_url, one.dropped):
            self.written.pop(url, None)
            self.temporary.discard(url)
        if one.is_unknown:
            verb = "wrote" if one.is_write else "read"
            (self.written if one.is_write else self.read)[database.url] = None
            self.gaps.append(f"the tables that an SQL statement {verb} in {database.url}")

    def to_record(self) -> Record:
        """Return the record of the task."""
        written = [url for url in self.written if url not in self.temporary]
        gaps = [f"{gap} are not known" for gap in self.gaps]
        return Record.from_refs(
            Origin.READ, used=map(UrlRef, self.read), gaps=gaps
        ) | Record.from_stored(*map(UrlRef, written))

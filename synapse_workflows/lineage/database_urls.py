"""URLs of databases and their tables, without secrets."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.lineage.sql_tables import TableName

#: Connection types -> dialects of sqlglot with another name.
_DIALECTS: Final = {
    "gcpbigquery": "bigquery",
    "hive_cli": "hive",
    "hiveserver2": "hive",
    "impala": "hive",
    "mariadb": "mysql",
    "mssql": "tsql",
    "spark_sql": "spark",
    "vertica": "postgres",
}
#: Dialects whose tables belong to a database, without a schema in between.
_WITHOUT_SCHEMAS: Final = frozenset(
    {"clickhouse", "doris", "hive", "mysql", "spark", "sqlite", "starrocks"}
)
#: Extra fields of connections that name the server, if the connection has no host.
_SERVERS: Final = ("account", "server_hostname", "cluster_identifier", "region_name")
#: Parameters after a host or a name.
_PARAMETERS: Final = re.compile(r"[?#;].*", re.DOTALL)
#: Schemas of SQLite that are not part of a name.
_SQLITE_SCHEMAS: Final = frozenset({"", "main"})


@dataclass(frozen=True)
class Database:
    """A database that a hook is connected to.

    Args:
        server: URL of the server, such as `postgres://db.example.org:5432`.
        name: Name of the default database or catalog; None if unknown.
        schema: Name of the default schema; None if unknown.
        dialect: Name of the dialect in sqlglot; None if unknown.
    """

    server: str
    name: str | None = None
    schema: str | None = None
    dialect: str | None = None

    @property
    def url(self) -> str:
        """URL of the database."""
        return _join(self.server, self.name)

    def get_table_url(self, table: TableName) -> str:
        """Return the URL of a table: `<server>/<database>/<schema>/<table>`, without unknowns."""
        if self.dialect == "sqlite":
            schema = None if table.schema in _SQLITE_SCHEMAS else table.schema
            return _join(self.server, schema, table.name)
        if self.dialect in _WITHOUT_SCHEMAS:
            return _join(self.server, table.schema or self.name, table.name)
        names = (table.catalog or self.name, table.schema or self.schema)
        return _join(self.server, *names, table.name)


def find_database(
    hook: Any, default_db: str | None, default_schema: str | None
) -> Database | None:
    """Return the database of a hook; None if the hook tells none, or a database in memory.

    Args:
        hook: A `DbApiHook`, or another hook that runs SQL.
        default_db: The default database, if the hook reported it.
        default_schema: The default schema, if the hook reported it.
    """
    connection: Any = getattr(hook, "connection", None)
    if not hasattr(connection, "conn_type"):
        return _find_aws_database(hook, default_db, default_schema)
    conn_type = str(connection.conn_type or "").lower()
    if conn_type == "synapse":  # its client records the entities, with their versions
        return None
    dialect = _get_dialect(conn_type)
    host = str(connection.host or "")
    if dialect == "sqlite":
        return _find_sqlite_file(host)
    extra = {key.lower(): value for key, value in connection.extra_dejson.items()}
    server = _get_server(conn_type, host, connection.port, extra)
    name, schema = _get_defaults(hook, connection.schema, extra)
    return Database(server, default_db or name, default_schema or schema, dialect)


def _find_sqlite_file(host: str) -> Database | None:
    path = _PARAMETERS.sub("", host.removeprefix("file:"))
    if not path or path == ":memory:":
        return None
    return Database(f"sqlite://{quote(str(Path(path).absolute()))}", dialect="sqlite")


def _get_defaults(
    hook: Any, conn_schema: str | None, extra: dict[str, Any]
) -> tuple[str | None, str | None]:
    """Return the default database and schema. Attributes of the hook override the connection.

    The schema of a connection is the name of a database, unless an extra field names one.
    """
    catalog = extra.get("database") or extra.get("catalog") or extra.get("project")
    names = (getattr(hook, "database", None), getattr(hook, "catalog", None))
    schemas = (getattr(hook, "schema", None), getattr(hook, "_DbApiHook__schema", None))
    schema = _first_name(*schemas, conn_schema)
    if catalog:
        return _first_name(*names, catalog), schema
    return _first_name(*names, schema), None


def _first_name(*values: Any) -> str | None:
    """Return the first name, without parameters as in `name?password=secret`."""
    texts = (value for value in values if isinstance(value, str) and value)
    name = next(texts, "")
    return _PARAMETERS.sub("", name) or None


def _get_server(conn_type: str, host: str, port: Any, extra: dict[str, Any]) -> str:
    """Return the URL of a server. Its host may be a URL, also one of JDBC."""
    if "://" in host:
        return redact_url(host.removeprefix("jdbc:")).rstrip("/")
    host = _PARAMETERS.sub("", host.rpartition("@")[2])
    if not host:
        host = next((str(extra[key]) for key in _SERVERS if extra.get(key)), "")
    authority = f"{host}:{port}" if port else host
    return f"{conn_type.replace('_', '-')}://{authority}"


def _find_aws_database(
    hook: Any, default_db: str | None, default_schema: str | None
) -> Database | None:
    """Return the database of a hook of an AWS service, which has no connection to a server."""
    service, region = getattr(hook, "client_type", None), getattr(hook, "region_name", None)
    if service not in {"athena", "redshift-data"}:
        return None
    dialect = "athena" if service == "athena" else "redshift"
    server = f"{service}://{region or ''}"
    return Database(server, default_db, default_schema, dialect)


def _get_dialect(conn_type: str) -> str | None:
    name = _DIALECTS.get(conn_type, conn_type)
    try:
        from sqlglot import Dialect
    except ImportError:
        return name
    return name if Dialect.get(name) is not None else None


def _join(server: str, *names: str | None) -> str:
    return "/".join([server, *(quote(name, safe="$") for name in names if name)])

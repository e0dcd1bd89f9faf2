"""Checks of the data directory before the service uses it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

DATABASE: Final = "synapse.db"
BLOBS: Final = "blobs"
#: Glob patterns of content: uploaded files, rows of tables, rows of view snapshots, objects.
_CONTENT: Final = ("blobs/stored/*/*", "tables/*.db", "views/*.db", "s3/volumes/*.dat")


class DataDirError(RuntimeError):
    """The service cannot use a data directory."""


def check_database(data_dir: Path) -> None:
    """Check that a data directory with content also has a usable database.

    Raises:
        DataDirError: The directory has content, but the database is missing, empty or damaged.
    """
    content = next((path for each in _CONTENT for path in data_dir.glob(each)), None)
    if content is None or _has_entities(data_dir / DATABASE):
        return
    raise DataDirError(
        f"{data_dir} has content, for example {content.relative_to(data_dir)}, but {DATABASE} is "
        f"missing or empty. Restore {DATABASE} from a backup, or use another data directory. "
        "Nothing was changed."
    )


def _has_entities(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
            return database.execute("SELECT 1 FROM entity").fetchone() is not None
    except sqlite3.OperationalError:  # no such table
        return False
    except sqlite3.DatabaseError as error:
        raise DataDirError(f"{path} is damaged: {error}. Restore it from a backup.") from None

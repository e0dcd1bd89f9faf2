"""Choice of the files of a listing that are new."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from synapse_workflows.client.core.file_listing import ListedFile


@dataclass(frozen=True)
class FileFilter:
    """Which new files count.

    Args:
        name_pattern: Pattern of the names, such as ``*.csv``; None for all names.
        new_versions: Whether a new version of a known file counts as well.
    """

    name_pattern: str | None = None
    new_versions: bool = False

    def select(
        self, files: Mapping[str, ListedFile], known: Mapping[str, int]
    ) -> list[ListedFile]:
        """Return the new files, in the order of their IDs.

        Args:
            files: The files of a listing, by ID.
            known: Version numbers of the known files, by ID.
        """
        return sorted(
            (file for file in files.values() if self._is_new(file, known)),
            key=lambda file: file.number,
        )

    def find_known(
        self, files: Mapping[str, ListedFile], since: float | None = None
    ) -> dict[str, int]:
        """Return the version numbers of the files that are known when the wait begins, by ID.

        A file that gets a name of the pattern later is new.

        Args:
            files: The files of the first listing, by ID.
            since: Files that were created at or after this time are not known; seconds since the
                epoch. None to know all.
        """
        return {
            key: file.version
            for key, file in files.items()
            if (self._has_name(file) if since is None else parse_time(file.created_on) < since)
        }

    def _is_new(self, file: ListedFile, known: Mapping[str, int]) -> bool:
        version = known.get(file.id)
        is_new = version is None or (self.new_versions and file.version > version)
        return is_new and self._has_name(file)

    def _has_name(self, file: ListedFile) -> bool:
        return self.name_pattern is None or fnmatchcase(file.name, self.name_pattern)


def parse_time(text: str) -> float:
    """Return a time in ISO 8601 as seconds since the epoch; a time without a zone is in UTC.

    Raises:
        ValueError: The text is no time.
    """
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def describe_files(container_id: str, files: Iterable[ListedFile]) -> dict[str, Any]:
    """Return new files as JSON: ``container_id``, and references in ``files``."""
    return {"container_id": container_id, "files": [file.to_reference() for file in files]}

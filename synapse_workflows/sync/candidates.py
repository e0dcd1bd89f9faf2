"""Files of a directory that are to be stored in Synapse, from its listing or from a manifest."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from synapse_workflows.client.api.store_request import require_valid_annotations
from synapse_workflows.client.core.redaction import has_secret_name, redact, redact_url
from synapse_workflows.client.model.annotations import to_synapse_annotations
from synapse_workflows.client.model.entity_base import get_entity_type
from synapse_workflows.client.model.entity_names import describe_invalid_name
from synapse_workflows.client.model.paths import is_url
from synapse_workflows.constants import FILE
from synapse_workflows.sync.directory import FileEntry, Listing
from synapse_workflows.sync.manifest import RESERVED, ManifestError, ManifestRow
from synapse_workflows.sync.manifest_cells import parse_cell
from synapse_workflows.sync.options import PlanOptions, list_parents


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to be stored.

    Args:
        path: Path below the directory, or the URL of an external file.
        name: Name of the entity.
        folder: Path of its folder below the container; empty for the container itself.
        parent_id: ID of its folder, if the manifest names it.
        entry: The file; None for an external file.
        row: Row of the manifest.
    """

    path: str
    name: str
    folder: str
    parent_id: str | None
    entry: FileEntry | None
    row: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Candidates:
    """Files to be stored, by path.

    Args:
        files: The files.
        skipped: Reasons by path, of entries that are ignored on purpose.
        refused: Reasons by path, of files that cannot be stored.
        folders: Folders of the directory, which exist in Synapse afterwards even if empty.
        refused_places: ID of the parent, folder and name of refused files of a manifest.
        unselected: Files of the directory that are left alone on both sides: files that are not in
            the manifest, partial downloads and manifests.
    """

    files: dict[str, Candidate] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    refused_places: set[tuple[str | None, str, str]] = field(default_factory=set)
    unselected: set[str] = field(default_factory=set)


def list_candidates(listing: Listing, options: PlanOptions) -> Candidates:
    """Return the candidates of a directory without a manifest."""
    found = Candidates(
        skipped={path: why for path, why in listing.skipped.items() if options.selects(path)},
        refused={path: why for path, why in listing.refused.items() if options.selects(path)},
        unselected=listing.ignored,
    )
    for path, entry in sorted(listing.files.items()):
        if not options.selects(path):
            continue
        folder, _, name = path.rpartition("/")
        reason = describe_invalid_path(path) or _describe_unusable(entry)
        if reason is None:
            found.files[path] = Candidate(path, name, folder, None, entry)
        else:
            found.refused[path] = reason
    if not options.is_filtered:
        for path in sorted(listing.folders):
            reason = describe_invalid_path(path)
            if reason is None:
                found.folders.add(path)
            elif not any(file.startswith(f"{path}/") for file in found.refused):
                found.refused[path] = reason
    return found


def select_rows(
    rows: Iterable[ManifestRow], listing: Listing, root: str, options: PlanOptions
) -> Candidates:
    """Return the candidates of a manifest.

    Args:
        rows: The rows.
        listing: The files of the directory.
        root: Path or URL of the directory; paths of the manifest may start with it.
        options: Options.

    Raises:
        ManifestError: A file of the manifest is not in the directory.
    """
    found, missing = Candidates(), []
    paths: dict[str, ManifestRow] = {}
    for row in rows:
        path = relative_path(row.path, root)
        if row.path in listing.files:
            path = row.path
        if path is None and is_url(row.path):
            paths[row.path] = row
        elif path is None or (path not in listing.files and path not in listing.refused):
            missing.append(row)
        elif path in paths:
            raise ManifestError(
                f"Lines {paths[path].number} and {row.number} of the manifest are the same file "
                f"{path!r}. Remove one of them"
            )
        else:
            paths[path] = row
    if missing:
        shown = ", ".join(f"{row.path!r} (line {row.number})" for row in missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""  # noqa: PLR2004
        raise ManifestError(
            f"{len(missing)} files of the manifest are not in {root}: {shown}{more}. Paths are "
            "absolute, or relative to the directory"
        )
    found.unselected = listing.ignored | (listing.files.keys() - paths.keys())
    for path, row in paths.items():
        if options.selects(path):
            _add_row(found, path, row, listing, paths, root)
    return found


def _add_row(
    found: Candidates,
    path: str,
    row: ManifestRow,
    listing: Listing,
    paths: Mapping[str, Any],
    root: str,
) -> None:
    entry = listing.files.get(path)
    shown = redact_url(path) if is_url(path) else path
    folder, _, file_name = shown.rpartition("/")
    name = row.name or file_name
    reason = listing.refused.get(path) or _describe_invalid(name)
    reason = reason or _describe_invalid_annotations(row.cells)
    if is_url(path) and _has_credentials(path):
        reason = "the URL has credentials, which all readers of the file would get. Remove them"
    if entry is not None and reason is None:
        reason = _describe_unusable(entry)
    if not row.parent and entry is not None and folder and reason is None:
        reason = describe_invalid_path(folder)
    if reason is not None:
        found.refused[shown] = reason
        found.refused_places.add((row.parent or None, folder, name))
        return
    cells = dict(row.cells)
    for column in ("used", "executed"):  # paths of other files of the manifest
        if column in cells:
            cells[column] = ";".join(_normalize_sources(cells[column], paths, root))
    has_folder = not row.parent and entry is not None
    found.files[path] = Candidate(
        path, name, folder if has_folder else "", row.parent or None, entry, cells
    )


def _normalize_sources(cell: str, paths: Mapping[str, Any], root: str) -> Iterable[str]:
    for token in (one.strip() for one in cell.split(";")):
        path = relative_path(token, root) if token else None
        if path is not None and path in paths:
            yield path
        else:
            is_known = token in paths and not _has_credentials(token)
            yield redact_url(token) if is_url(token) and not is_known else token


def _has_credentials(url: str) -> bool:
    names = [part.partition("=")[0] for part in re.split("[?&;#]", url)[1:]]
    has_secret = any(name.lower() == "sig" or has_secret_name(name) for name in names)
    return has_secret or redact(url) != url


def relative_path(path: str, root: str) -> str | None:
    """Return a path of a manifest below the directory; None if it is elsewhere."""
    start = root.rstrip("/") + "/"
    if path.startswith(start):
        return path[len(start) :]
    if is_url(path) or path.startswith(("/", "~")):
        return None
    parts = PurePosixPath(path).parts
    return None if ".." in parts else "/".join(parts)


def describe_invalid_path(path: str) -> str | None:
    """Return why Synapse cannot have a file or folder with this path; None for a valid path."""
    return next(filter(None, map(_describe_invalid, path.split("/"))), None)


def _describe_invalid(name: str) -> str | None:
    reason = describe_invalid_name(name)
    if reason is not None:
        return f"the name {name!r:.100} is invalid in Synapse: {reason}"
    if name != name.strip():
        return f"the name {name!r:.100} starts or ends with a blank, which Synapse removes"
    if name in (".", ".."):
        return f"the name {name!r} stands for another directory"
    return None


def _describe_invalid_annotations(cells: Mapping[str, str]) -> str | None:
    annotations = {key: parse_cell(cell) for key, cell in cells.items() if key not in RESERVED}
    try:
        to_synapse_annotations(annotations)
        require_valid_annotations(annotations, get_entity_type(FILE))
    except ValueError as error:
        return str(error)
    return None


def _describe_unusable(entry: FileEntry) -> str | None:
    return None if entry.size else "it is empty, and Synapse stores files of at least one byte"


def check_unique(
    candidates: Sequence[Candidate], folders: Iterable[str], ids: Mapping[str, str]
) -> dict[str, str]:
    """Return reasons by path, of files that would be the same entity as another file or folder.

    Args:
        candidates: The files.
        folders: Paths of the folders of the source that are no parents of files.
        ids: IDs of existing folders by path.
    """
    refused: dict[str, str] = {}
    needed = {*folders, *(one.folder for one in candidates)}
    needed |= {above for path in needed for above in list_parents(path)}
    paths = {id_: path for path, id_ in ids.items()}
    places: dict[tuple[str, str], str] = {}
    for one in candidates:
        place = (one.parent_id or ids.get(one.folder, one.folder), one.name)
        folder = paths.get(one.parent_id) if one.parent_id else one.folder
        if folder is not None and f"{folder}/{one.name}".lstrip("/") in needed:
            refused[one.path] = f"it has the name {one.name!r} and the parent of a folder"
        elif place in places:
            refused[one.path] = f"it has the name {one.name!r} and the folder of {places[place]!r}"
        places.setdefault(place, one.path)
    return refused

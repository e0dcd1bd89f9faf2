"""Export of the provenance of an entity version to a file, or to a File in Synapse."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.api.bundles import get_bundle, get_file_handle
from synapse_workflows.client.api.children import findEntityId
from synapse_workflows.client.api.store import store
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.entity import File
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.client.model.paths import expand_home
from synapse_workflows.provenance.atomic_output import write_archive, write_output
from synapse_workflows.provenance.crate_files import MAX_TOTAL_SIZE, download_files
from synapse_workflows.provenance.export_format import (
    FILE_TYPES,
    ExportFormat,
    create_file_name,
    parse_export_format,
    render_text,
)
from synapse_workflows.provenance.exported_provenance import ExportedProvenance, read_provenance

#: Suffixes of files that cannot be an RO-Crate.
_NO_CRATE_SUFFIXES: Final = frozenset({".json", ".jsonld", ".svg", ".html", ".provn", ".mmd"})


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Options of an export.

    Args:
        depth: Maximum number of Activities in a chain, at least 1; None for all.
        include_files: Whether an RO-Crate includes the files of all entity versions.
        max_total_size: Maximum size of these files, in bytes.
        license: License of an RO-Crate: a URL, or a text; None if it is not known.

    Raises:
        ValueError: A number is invalid.
    """

    depth: int | None = None
    include_files: bool = False
    max_total_size: int = MAX_TOTAL_SIZE
    license: str | None = None

    def __post_init__(self) -> None:
        if self.depth is not None and not _is_number(self.depth, 1):
            raise ValueError(
                f"Invalid depth {self.depth!r}: expected an integer of at least 1, or None."
            )
        if not _is_number(self.max_total_size, 0):
            raise ValueError(
                f"Invalid max_total_size {self.max_total_size!r}: expected a number of bytes."
            )


@dataclass(frozen=True, slots=True)
class ProvenanceExport:
    """Result of an export.

    Args:
        entity_id: ID of the entity whose provenance was exported.
        version: Its version; None for an entity without versions.
        format: The format.
        path: The written file or directory; None if only a File was stored.
        file_id: ID of the stored File; None if nothing was stored.
        file_version: Version of the stored File.
    """

    entity_id: str
    version: int | None
    format: ExportFormat
    path: str | None = None
    file_id: str | None = None
    file_version: int | None = None


def export_provenance(
    syn: Session,
    entity: Any,
    format: ExportFormat | None = None,  # noqa: A002 - the term of the command line
    path: str | PathLike[str] | None = None,
    *,
    version: int | str | None = None,
    parent: Any = None,
    name: str | None = None,
    overwrite: bool = False,
    depth: int | None = None,
    include_files: bool = False,
    max_total_size: int = MAX_TOTAL_SIZE,
    license: str | None = None,  # noqa: A002 - the property of the crate
) -> ProvenanceExport:
    """Export the provenance of an entity version, to a file or to a File in Synapse.

    The same provenance gives the same bytes. A File in Synapse gets a new version only if its
    content changes; the Activity of the version names the exported entity version as used.

    Args:
        syn: Client with permission to read the entity.
        entity: ID such as `syn123` or `syn123.4`, or an entity.
        format: The format; None for the format of the suffix of `path`: `.prov.json`, `.provn`,
            `.crate.zip`, `.mmd`, `.mermaid`, `.svg`, `.html` or `.htm`.
        path: The file to write. An RO-Crate is an archive if the path ends with `.zip`, else a
            directory.
        version: Version number; None for the version of `entity`, or else the current version.
        parent: Project or folder, or its ID, in which to store the export as a File.
        name: Name of this File; None for `provenance_syn123` and the suffix of the format.
        overwrite: Whether to replace an existing file, or directory of an RO-Crate, with other
            content.
        depth: Maximum number of Activities in a chain, at least 1; None for all. A document
            states where the provenance was cut off.
        include_files: Whether an RO-Crate includes the files of all entity versions that can be
            downloaded. Otherwise, and for other files, it refers to Synapse.
        max_total_size: Maximum size of these files, in bytes.
        license: License of an RO-Crate: a URL, or a text; None if it is not known. Synapse
            records no licenses.

    Returns:
        Where the export is.

    Raises:
        ImportError: The extra `provenance` is not installed.
        ValueError: An argument is invalid, there is nothing to export, or the files are larger
            than `max_total_size`.
        FileExistsError: `path` exists with other content, and `overwrite` is False.
        FileNotFoundError: The directory of `path` does not exist.
        SynapseNotFoundError: The entity or the version does not exist.
        SynapseForbiddenError: The caller may not read the entity, or store in `parent`.

    Source:
        See `read_provenance` and `Synapse.store`.
    """
    given = ExportOptions(depth, include_files, max_total_size, license)
    _check_destination(path, parent, name, overwrite=overwrite)
    known, options = parse_export_options(format, path, given)
    target = None if path is None else expand_home(path).absolute()
    parent_id = None if parent is None else parse_entity_id(parent).id
    provenance = read_provenance(syn, entity, version, depth=depth)
    announce_export(syn, provenance)
    if target is not None:
        write_export(syn, provenance, known, target, options, overwrite=overwrite)
    stored: Mapping[str, Any] = {}
    if parent_id is not None:
        stored = _store(syn, provenance, known, options, parent_id, name)
    return ProvenanceExport(
        provenance.root.ref.id,
        provenance.root.ref.version,
        known,
        None if target is None else str(target),
        stored.get("id"),
        stored.get("versionNumber"),
    )


def parse_export_options(
    format: str | None,  # noqa: A002 - as in `export_provenance`
    path: str | PathLike[str] | None,
    options: ExportOptions,
) -> tuple[ExportFormat, ExportOptions]:
    """Return the format, and the options if the format has them.

    Raises:
        ValueError: The format is unknown, cannot include files, or has no license.
    """
    known = parse_export_format(format, path)
    given = {"include_files": options.include_files, "license": options.license is not None}
    for name, is_given in given.items():
        if is_given and known != "ro-crate":
            raise ValueError(
                f"{name} is an option of the format 'ro-crate', not of {known!r}: remove it."
            )
    suffix = "" if path is None else Path(fspath(path)).suffix.lower()
    if known == "ro-crate" and suffix in _NO_CRATE_SUFFIXES:
        raise ValueError(
            f"Invalid path {fspath(path or '')!r}: an RO-Crate is a directory, or an archive with "
            "the suffix '.zip'."
        )
    return known, options


def announce_export(syn: Session, provenance: ExportedProvenance) -> None:
    """Emit the event that the exported entity version was read, for lineage."""
    root = provenance.root
    syn.emit(
        Read(
            root.ref.id,
            root.ref.version,
            root.name,
            root.concrete_type,
            how="export",
            is_open=root.is_open,
        )
    )


def write_export(
    syn: Session,
    provenance: ExportedProvenance,
    format: ExportFormat,  # noqa: A002 - as in `export_provenance`
    path: Path,
    options: ExportOptions,
    *,
    overwrite: bool = False,
    is_archive: bool = False,
) -> None:
    """Write the provenance to a path.

    Args:
        syn: Downloads files of an RO-Crate.
        provenance: The provenance.
        format: The format.
        path: A file, or the directory of an RO-Crate.
        options: Options of the export.
        overwrite: Whether to replace other content.
        is_archive: Whether an RO-Crate is an archive even if the path does not end with `.zip`.

    Raises:
        FileExistsError: The path exists with other content, and `overwrite` is False.
        ValueError: There is nothing to export, or the files are too large.
    """
    if format != "ro-crate":
        text = render_text(provenance, format)
        write_output(path, lambda target: _write_text(target, text), overwrite=overwrite)
        return
    archive = is_archive or path.name.lower().endswith(".zip")
    write_output(
        path,
        lambda target: _write_crate(syn, provenance, target, options, is_archive=archive),
        overwrite=overwrite,
    )


def _is_number(value: object, minimum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def _write_crate(
    syn: Session,
    provenance: ExportedProvenance,
    path: Path,
    options: ExportOptions,
    *,
    is_archive: bool,
) -> None:
    from synapse_workflows.provenance.run_crate import build_crate

    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        files = None
        downloads, crate = Path(name, "files"), Path(name, "crate")
        if options.include_files:
            downloads.mkdir()
            files = download_files(syn, provenance, downloads, options.max_total_size)
        target = crate if is_archive else path
        build_crate(provenance, files, license=options.license).write(target)
        if is_archive:
            write_archive(path, crate)


def _check_destination(path: Any, parent: object, name: Any, *, overwrite: bool) -> None:
    """Check that the export has a destination, and no option of another one.

    Raises:
        ValueError: It is missing or invalid, or does not have the option.
    """
    if path is not None and (not isinstance(path, str | PathLike) or not Path(path).name):
        raise ValueError(
            f"Invalid path {path!r}: expected the path of a file, for example 'a.svg'."
        )
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise ValueError(f"Invalid name {name!r}: expected a text, or None for the default name.")
    if path is None and parent is None:
        raise ValueError("path and parent are missing: pass one of them, or both.")
    if path is None and overwrite:
        raise ValueError("overwrite is an option of path: remove it, or pass a path.")
    if parent is None and name is not None:
        raise ValueError(f"name={name!r} is the name of a File in Synapse: pass its parent, too.")


def _store(
    syn: Session,
    provenance: ExportedProvenance,
    format: ExportFormat,  # noqa: A002 - as in `export_provenance`
    options: ExportOptions,
    parent_id: str,
    name: str | None,
) -> Mapping[str, Any]:
    """Store the export in Synapse; return the existing entity if its content is the same."""
    root = provenance.root.ref
    default_name = create_file_name(root.id, format)
    with tempfile.TemporaryDirectory(prefix="synapse-provenance-") as directory:
        path = Path(directory, default_name)
        write_export(syn, provenance, format, path, options, is_archive=True)
        media_type = FILE_TYPES[format][1]
        file = File(str(path), parent=parent_id, name=name or default_name, contentType=media_type)
        stored: Mapping[str, Any] = _find_same_file(syn, file) or store(
            syn,
            file,
            forceVersion=False,  # another client may have stored the same content meanwhile
            used=[str(root)],
            activityName=f"Export of the provenance of {provenance.get_label(root)}",
            activityDescription=f"Format {format}",
        )
    return stored


def _find_same_file(syn: Session, file: File) -> dict[str, Any] | None:
    """Return the existing entity with the name and the content of a file."""
    existing = findEntityId(syn, file.name, file.parentId)
    if existing is None:
        return None
    bundle = get_bundle(syn, existing)
    handle = get_file_handle(bundle) or {}
    is_same = handle.get("contentMd5") == file_md5(Path(file.path))
    return dict(bundle["entity"]) if is_same else None

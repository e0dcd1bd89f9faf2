"""Operator that exports the provenance of an entity version."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.errors import SynapseError
from synapse_workflows.hooks.entity_ids import parse_entity_id
from synapse_workflows.hooks.file_references import SynapseFile
from synapse_workflows.idempotency.object_storage import ObjectTarget, parse_target
from synapse_workflows.operator_arguments import check_flags, optional_text, parse_version
from synapse_workflows.operators.base import SynapseOperator
from synapse_workflows.provenance.crate_files import MAX_TOTAL_SIZE
from synapse_workflows.provenance.export import (
    ExportOptions,
    announce_export,
    parse_export_options,
    write_export,
)
from synapse_workflows.provenance.export_format import ExportFormat, create_file_name
from synapse_workflows.provenance.exported_provenance import ExportedProvenance, read_provenance

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseProvenanceExport(TypedDict):
    """Result of `SynapseExportProvenanceOperator`, as JSON.

    `entity_id` and `version` are the exported version. `path` is the written file, or the URL of
    the written object; `file` is the stored File. They are None if they were not requested.
    """

    entity_id: str
    version: int | None
    format: ExportFormat
    path: str | None
    file: SynapseFile | None


class SynapseExportProvenanceOperator(SynapseOperator):
    """Export the provenance of an entity version as W3C PROV, RO-Crate or drawing.

    The export is written to `output_path`, stored as a File in `parent_id`, or both. The Activity
    of the File names the exported version as used. The same provenance gives the same bytes: an
    unchanged export creates no new version of the File, neither in a retry nor in another run.

    PROV documents and RO-Crates require the extra `provenance`. Returns a
    `SynapseProvenanceExport`.

    Args:
        entity_id: `syn123` for the current version, `syn123.4` for version 4, or a reference
            (templated).
        version: Version number; overrides the version in `entity_id` (templated).
        export_format: `prov-json`, `prov-n`, `ro-crate`, `mermaid`, `svg` or `html`. The default
            is the format of the suffix of `output_path`: `.prov.json`, `.provn`, `.crate.zip`,
            `.mmd`, `.svg` or `.html` (templated).
        output_path: The file to write: a local path, the URL of an object
            (`s3://conn@bucket/key.svg`), or an `ObjectStoragePath`. An RO-Crate is an archive if
            the path ends with `.zip`, else a local directory (templated).
        overwrite: Whether to replace an existing file, object or RO-Crate with other content.
        parent_id: Project or folder for the File; None to store no File (templated).
        folder: Path of folders below the parent, as `2026/november`; missing folders are created
            (templated).
        name: Name of the File; the default is `provenance_syn123` with the suffix of the format
            (templated).
        depth: Maximum number of Activities in a chain, at least 1; None for all. The document
            states where the provenance was cut off.
        include_files: Whether an RO-Crate includes the files of all entity versions that can be
            downloaded. Otherwise, and for other files, it refers to Synapse.
        max_total_size: Maximum size of these files, in bytes.
        license: License of an RO-Crate: a URL, or a text; None if it is not known (templated).
        activity_name: Name of the Activity of the File; the default is the name of the task
            (templated).
        activity_description: Text before the description of the task (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: An argument is invalid.
    """

    template_fields: Sequence[str] = (
        "entity_id",
        "version",
        "export_format",
        "output_path",
        "parent_id",
        "folder",
        "name",
        "license",
        "activity_name",
        "activity_description",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("entity_id", "version")

    def __init__(
        self,
        *,
        entity_id: Any,
        version: int | str | None = None,
        export_format: ExportFormat | None = None,
        output_path: Any = None,
        overwrite: bool = False,
        parent_id: Any = None,
        folder: str | None = None,
        name: str | None = None,
        depth: int | None = None,
        include_files: bool = False,
        max_total_size: int = MAX_TOTAL_SIZE,
        license: str | None = None,  # noqa: A002 - the property of the crate
        activity_name: str | None = None,
        activity_description: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_flags(overwrite=overwrite, include_files=include_files)
        ExportOptions(depth, include_files, max_total_size)
        super().__init__(**kwargs)
        self.entity_id = entity_id
        self.version = version
        self.export_format = export_format
        self.output_path = output_path
        self.overwrite = overwrite
        self.parent_id = parent_id
        self.folder = folder
        self.name = name
        self.depth = depth
        self.include_files = include_files
        self.max_total_size = max_total_size
        self.license = license
        self.activity_name = activity_name
        self.activity_description = activity_description

    def execute(self, context: "Context") -> SynapseProvenanceExport:
        """Export the provenance."""
        entity = parse_entity_id(self.entity_id, "entity_id")
        version = parse_version(self.version, "version") or entity.version
        with _permanent_errors():
            target = self._parse_target()
            export_format, options = self._parse_options(target)
            _check_archive(target, export_format)
        with self.entity_link(entity.id, version):
            provenance = read_provenance(self.hook.client, entity.id, version, depth=self.depth)
        root = provenance.root
        self.set_entity_url(root.ref.id, root.ref.version)
        announce_export(self.hook.client, provenance)
        result = SynapseProvenanceExport(
            entity_id=root.ref.id,
            version=root.ref.version,
            format=export_format,
            path=self._write(provenance, export_format, target, options),
            file=self._store(provenance, export_format, options),
        )
        self.set_map_index_name(context, str(root.ref))
        self.push_items(context, result)
        self.log.info("Exported the provenance of %s as %s", root.ref, export_format)
        return result

    def _parse_target(self) -> Path | ObjectTarget | None:
        """Return where the export is written; None if it is only stored.

        Raises:
            ValueError: There is no destination, or `output_path` is invalid.
        """
        if self.output_path is not None:
            return parse_target(self.output_path, "output_path")
        if self.parent_id is None:
            raise ValueError("output_path and parent_id are missing: set one of them, or both")
        return None

    def _parse_options(
        self, target: Path | ObjectTarget | None
    ) -> tuple[ExportFormat, ExportOptions]:
        path = target.name if target is not None else None
        return parse_export_options(
            optional_text(self.export_format, "export_format"),
            path,
            ExportOptions(
                self.depth,
                self.include_files,
                self.max_total_size,
                optional_text(self.license, "license"),
            ),
        )

    def _write(
        self,
        provenance: ExportedProvenance,
        export_format: ExportFormat,
        target: Path | ObjectTarget | None,
        options: ExportOptions,
    ) -> str | None:
        """Write the export to `output_path`; return the path or the URL."""
        if target is None:
            return None
        client = self.hook.client
        with _permanent_errors():
            if isinstance(target, Path):
                write_export(
                    client, provenance, export_format, target, options, overwrite=self.overwrite
                )
                return str(target)
            with TemporaryDirectory() as directory:
                file = Path(directory, target.name)
                write_export(client, provenance, export_format, file, options)
                return target.write_once(file, overwrite=self.overwrite)

    def _store(
        self, provenance: ExportedProvenance, export_format: ExportFormat, options: ExportOptions
    ) -> SynapseFile | None:
        """Store the export as a File; return its reference."""
        if self.parent_id is None:
            return None
        parent_id = parse_entity_id(self.parent_id, "parent_id").id
        name = optional_text(self.name, "name", allow_empty=False)
        with TemporaryDirectory() as directory, self.entity_link(parent_id):
            path = Path(directory, create_file_name(provenance.root.ref.id, export_format))
            with _permanent_errors():
                write_export(
                    self.hook.client, provenance, export_format, path, options, is_archive=True
                )
            file: SynapseFile = self.hook.store_file(
                str(path),
                parent_id,
                folder=self.folder,
                name=name or path.name,
                used=[str(provenance.root.ref)],
                activity_name=self.activity_name,
                activity_description=self.activity_description,
            )
        file["path"] = None  # the temporary file is deleted
        self.set_entity_url(file["id"], file["version"])
        return file


def _check_archive(target: Path | ObjectTarget | None, export_format: ExportFormat) -> None:
    """Check that an RO-Crate in object storage is an archive.

    Raises:
        ValueError: It is a directory.
    """
    if not isinstance(target, ObjectTarget) or export_format != "ro-crate":
        return
    if not target.name.lower().endswith(".zip"):
        raise ValueError(
            f"Invalid output_path {target.name!r}: in object storage, an RO-Crate is an archive. "
            "Use a name that ends with '.zip'"
        )


@contextmanager
def _permanent_errors() -> Iterator[None]:
    """Fail the task for good if an argument is invalid, or a package is missing.

    Raises:
        AirflowFailException: A retry cannot succeed.
    """
    try:
        yield
    except SynapseError:
        raise
    except (ValueError, TypeError, ImportError, FileExistsError, FileNotFoundError) as error:
        raise AirflowFailException(str(error)) from error

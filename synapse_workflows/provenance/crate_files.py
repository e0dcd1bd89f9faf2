"""Download of the files of an RO-Crate."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from synapse_workflows.client.api.entities import GetOptions, get_unannounced
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseUnmetAccessRestrictions,
)
from synapse_workflows.constants import FILE
from synapse_workflows.provenance.crate_entities import IncludedFile
from synapse_workflows.provenance.exported_provenance import ExportedProvenance
from synapse_workflows.provenance.provenance_graph import EntityVersion
from synapse_workflows.provenance.record import EntityRef

#: Default of the maximum size of all files, in bytes.
MAX_TOTAL_SIZE: Final = 1_000_000_000


def download_files(
    syn: Session, provenance: ExportedProvenance, directory: Path, max_total_size: int
) -> dict[EntityRef, IncludedFile]:
    """Download the files of all entity versions, each verified by its MD5.

    Files without a known size are left out: they are stored outside Synapse, or the caller may
    not download them. No event is emitted, so that lineage does not count the downloads.

    Args:
        syn: Sends the requests.
        provenance: The entity versions.
        directory: An empty directory for the files.
        max_total_size: Maximum size of all files, in bytes.

    Returns:
        The downloaded files.

    Raises:
        ValueError: The files are larger. Nothing was downloaded.
    """
    entities = list(_iter_downloadable(provenance))
    total = sum(entity.content.size or 0 for entity in entities if entity.content)
    if total > max_total_size:
        raise ValueError(
            f"The {len(entities)} files of the provenance of {provenance.root.ref} have {total} "
            f"bytes, more than max_total_size={max_total_size}. Pass a larger max_total_size, "
            "limit the depth, or pass include_files=False: then the crate refers to the files."
        )
    files = {entity.ref: _download(syn, entity.ref, directory) for entity in entities}
    return {ref: file for ref, file in files.items() if file is not None}


def _iter_downloadable(provenance: ExportedProvenance) -> Iterator[EntityVersion]:
    for entity in provenance.entities:
        content = entity.content
        if entity.concrete_type == FILE and content is not None and content.size is not None:
            yield entity


def _download(syn: Session, ref: EntityRef, directory: Path) -> IncludedFile | None:
    """Download a file; return None if the caller may not download it."""
    target = directory / str(ref)
    target.mkdir()
    options = GetOptions(version=ref.version, location=str(target))
    try:
        path = getattr(get_unannounced(syn, ref.id, options), "path", None)
    except (SynapseForbiddenError, SynapseNotFoundError, SynapseUnmetAccessRestrictions):
        return None
    if path is None:
        return None
    with Path(path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return IncludedFile(Path(path), Path(path).stat().st_size, digest)

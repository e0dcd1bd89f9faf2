"""Formats of exported provenance: names, suffixes, and texts."""

from collections.abc import Callable, Mapping
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, get_args

from synapse_workflows.provenance.exported_provenance import ExportedProvenance

#: `prov-json`, `prov-n`: W3C PROV documents; `ro-crate`: a Workflow Run RO-Crate; `mermaid`,
#: `svg`, `html`: drawings.
ExportFormat = Literal["prov-json", "prov-n", "ro-crate", "mermaid", "svg", "html"]

#: Format -> suffix of the default name in Synapse, and media type.
FILE_TYPES: Final[Mapping[ExportFormat, tuple[str, str]]] = MappingProxyType(
    {
        "prov-json": (".prov.json", "application/json"),
        "prov-n": (".provn", "text/provenance-notation"),
        "ro-crate": (".crate.zip", "application/zip"),
        "mermaid": (".mmd", "text/vnd.mermaid"),
        "svg": (".svg", "image/svg+xml"),
        "html": (".html", "text/html"),
    }
)
#: Suffixes that belong to one format only.
_SUFFIXES: Final[Mapping[str, ExportFormat]] = MappingProxyType(
    {
        ".prov.json": "prov-json",
        ".provn": "prov-n",
        ".crate.zip": "ro-crate",
        ".mmd": "mermaid",
        ".mermaid": "mermaid",
        ".svg": "svg",
        ".html": "html",
        ".htm": "html",
    }
)


def parse_export_format(
    format: str | None,  # noqa: A002 - as in `export_provenance`
    path: str | PathLike[str] | None = None,
) -> ExportFormat:
    """Return a format, or else the format of the suffix of a path.

    Raises:
        ValueError: The format is unknown, or is missing and the path has no known suffix.
    """
    known: tuple[ExportFormat, ...] = get_args(ExportFormat)
    names = ", ".join(repr(one) for one in known)
    if format is not None:
        if format not in known:
            raise ValueError(f"Invalid format {format!r}: expected one of {names}.")
        return next(one for one in known if one == format)
    file_name = "" if path is None else Path(fspath(path)).name.lower()
    found = next((one for suffix, one in _SUFFIXES.items() if file_name.endswith(suffix)), None)
    if found is None:
        suffixes = ", ".join(_SUFFIXES)
        reason = (
            f"{file_name!r} has none of the suffixes {suffixes}" if path else "there is no path"
        )
        raise ValueError(f"The format is missing, and {reason}: pass 'format', one of {names}.")
    return found


def create_file_name(entity_id: str, format: ExportFormat) -> str:  # noqa: A002
    """Return the default name of a File with the provenance of an entity."""
    return f"provenance_{entity_id}{FILE_TYPES[format][0]}"


def render_text(provenance: ExportedProvenance, format: ExportFormat) -> str:  # noqa: A002
    """Return provenance in a format other than `ro-crate`."""
    return _RENDERERS[format](provenance)


def _render_prov_json(provenance: ExportedProvenance) -> str:
    from synapse_workflows.provenance.prov_document import build_document, serialize_prov_json

    return serialize_prov_json(build_document(provenance))


def _render_prov_n(provenance: ExportedProvenance) -> str:
    from synapse_workflows.provenance.prov_document import build_document, serialize_prov_n

    return serialize_prov_n(build_document(provenance))


def _render_mermaid(provenance: ExportedProvenance) -> str:
    from synapse_workflows.drawing.mermaid import render_mermaid
    from synapse_workflows.provenance.graph_drawing import to_drawing

    return render_mermaid(to_drawing(provenance.graph))


def _render_svg(provenance: ExportedProvenance) -> str:
    from synapse_workflows.drawing.svg import describe_size, render_svg
    from synapse_workflows.provenance.graph_drawing import to_drawing

    drawing = to_drawing(provenance.graph)
    description = " ".join((describe_size(drawing), *drawing.notes))
    return render_svg(drawing, title=_create_title(provenance), description=description)


def _render_html(provenance: ExportedProvenance) -> str:
    from synapse_workflows.drawing.page import render_page
    from synapse_workflows.provenance.graph_drawing import to_drawing

    drawing = to_drawing(provenance.graph)
    return render_page(drawing, title=_create_title(provenance), static_url=None)


def _create_title(provenance: ExportedProvenance) -> str:
    return f"Provenance of {provenance.get_label(provenance.root.ref)}"


_RENDERERS: Final[Mapping[ExportFormat, Callable[[ExportedProvenance], str]]] = MappingProxyType(
    {
        "prov-json": _render_prov_json,
        "prov-n": _render_prov_n,
        "mermaid": _render_mermaid,
        "svg": _render_svg,
        "html": _render_html,
    }
)

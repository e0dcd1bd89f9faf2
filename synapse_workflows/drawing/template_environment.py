"""Jinja2 environment of the drawings."""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from synapse_workflows.drawing.graph import is_link
from synapse_workflows.drawing.labels import (
    KIND_NAMES,
    format_lines,
    format_role,
    format_tooltip,
)

if TYPE_CHECKING:
    from jinja2 import Environment

#: Characters that XML does not allow, and those that change the direction of the text around them.
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]"
)


@cache
def get_environment() -> "Environment":
    """Return the environment. Templates escape all texts and replace forbidden characters.

    In templates `url is link` tests whether a URL may become a link.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("synapse_workflows.drawing"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    environment.tests["link"] = is_link
    environment.globals["KIND_NAMES"] = KIND_NAMES
    environment.filters.update(
        lines=format_lines, role=format_role, tooltip=format_tooltip, path=format_path
    )
    return environment


def finalize(value: Any) -> Any:
    """Clean a text that a template displays; leave markup and other values."""
    return clean_text(value) if type(value) is str else value


def clean_text(text: str) -> str:
    """Replace the characters that XML does not allow by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)


def format_path(points: Sequence[tuple[float, float]]) -> str:
    """Return the `d` attribute of an SVG path: a curve that leaves all points horizontally."""
    (x, y), *others = points
    parts = [f"M{x:.0f} {y:.0f}"]
    for next_x, next_y in others:
        middle = (x + next_x) / 2
        parts.append(f"C{middle:.0f} {y:.0f} {middle:.0f} {next_y:.0f} {next_x:.0f} {next_y:.0f}")
        x, y = next_x, next_y
    return "".join(parts)

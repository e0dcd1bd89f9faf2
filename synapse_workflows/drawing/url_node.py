"""Nodes of URLs and of code."""

import re
from typing import Final
from urllib.parse import urlsplit

from synapse_workflows.drawing.graph import Node

#: Name of a file of code without a commit, for example `flow.py (sha256 0f3a12bc45de)`.
_HASHED_NAME: Final = re.compile(r"(.+) \((sha256 [0-9a-f]{6,64})\)")


def create_url_node(
    node_id: str, url: str, name: str | None, *, is_code: bool, task_url: str | None = None
) -> Node:
    """Create the node of an object outside Synapse, or of code.

    The label is the name, or else the last part of the path of the URL. The detail is the URL; for
    a file that is identified by its content, the first digits of the hash.

    Args:
        node_id: Identifier that is unique within the graph.
        url: URL without secrets.
        name: Name that was recorded with the URL; may be empty.
        is_code: Whether the object is code that was executed.
        task_url: As in `Node`.
    """
    label = name if name and name != url else _get_last_part(url) or url
    hashed = _HASHED_NAME.fullmatch(label) if url.startswith("file:") else None
    return Node(
        id=node_id,
        kind="code" if is_code else "url",
        label=hashed[1] if hashed else label,
        detail=hashed[2] if hashed else url,
        url=url,
        task_url=task_url,
    )


def _get_last_part(url: str) -> str:
    try:
        path = urlsplit(url).path if "://" in url else url
    except ValueError:
        path = url
    return path.rstrip("/").rpartition("/")[2]

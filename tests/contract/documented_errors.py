"""Read the documented errors of routes from the last columns of endpoints.md.

Only facts are kept: the status, the number of causes, error codes, and the error texts that
clients see. The descriptions of the causes are not copied; `support.route_cases` describes what
provokes each error.
"""

import re
from collections.abc import Iterator
from typing import Any

STATUS = re.compile(r"(?<![\w.>])[45]\d\d(?!\w| path)")
#: End of the description of a status: another status, or the end of a sentence or its part.
CLAUSE_END = re.compile(rf"{STATUS.pattern}|;|\. |$")
#: An error code, as `USER_CERTIFICATION_REQUIRED`, or a sentence.
TEXT = re.compile(r"[A-Z]+(_[A-Z]+)+|.* .*")
SCOPES = ("view", "download", "modify", "authorize")

Errors = dict[str, list[Any]]


def read_errors(cell: str, *, has_body: bool) -> Errors:
    """Return the errors that a cell documents: status -> [number of causes, texts].

    Args:
        cell: Text of the cell, for example "412; 403 UPDATE, no such team".
        has_body: Whether the route has a request body. A route without one has no etag to
            compare, so that a status 412 belongs to another route of the same row.
    """
    found: Errors = {}
    for status, causes, texts in _clauses(cell):
        if status != "412" or has_body:
            count, known = found.get(status, [0, []])
            found[status] = [count + causes, known + texts]
    return found


def read_scopes(cell: str) -> list[str]:
    """Return the OAuth scopes that a route requires, from its authentication column."""
    if "body" in cell:  # the token in the body counts, not the one of the request
        return []
    return [scope for scope in SCOPES if re.search(rf"\b{scope}\b", cell)]


def read_statuses(text: str) -> dict[str, list[str]]:
    """Return the error statuses that apply to every route, with their texts."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" |")]
        if line.startswith("| ") and re.fullmatch(r"[45]\d\d( / [45]\d\d)*", cells[0]):
            quoted = re.findall(r"`([^`]*)`", line)
            texts = [each for each in quoted if re.fullmatch(r'[^"/]* [^"/]*', each)]
            found |= dict.fromkeys(cells[0].split(" / "), texts)
    return found


def read_error_codes(text: str) -> dict[str, int]:
    """Return the error codes and their statuses."""
    (sentence,) = re.findall(r"`errorCode` appears only for: (.*?)\. A token", text, re.DOTALL)
    codes = re.findall(r"`([A-Z_]+)` \((\d+)", sentence)
    return {code: int(status) for code, status in codes}


def _clauses(cell: str) -> Iterator[tuple[str, int, list[str]]]:
    """Yield the status, the number of causes and the texts of each clause."""
    cell = cell.replace("**", "")
    bare = re.sub(r"`[^`]*`|\([^()]*\)", lambda match: "_" * len(match[0]), cell)
    for match in STATUS.finditer(bare):
        if bare[: match.start()].endswith(" or "):  # an alternative to the status before it
            continue
        end = CLAUSE_END.search(bare, match.end()).start()
        causes = re.split(r",| and also ", bare[match.end() : end].strip(" ,"))
        texts = re.findall(r"`([^`]*)`", cell[match.end() : end])
        yield match[0], len(causes), [text for text in texts if _is_text(text)]


def _is_text(text: str) -> bool:
    return TEXT.fullmatch(text) is not None

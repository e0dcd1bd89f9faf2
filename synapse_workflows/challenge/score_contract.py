"""Results of validators and scorers: status, reasons and scores in a JSON object."""

import json
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, Final

from synapse_workflows.challenge.claim_annotations import CLAIM_ERROR, RESERVED_NAMES
from synapse_workflows.challenge.scorer_process import ScorerError
from synapse_workflows.client.model.annotations import MAX_CHARACTERS, to_synapse_annotations
from synapse_workflows.client.model.cell_values import utf16_length
from synapse_workflows.constants import MiB

#: Prefixes of the keys `..._status` and `..._errors` in the results of today's scripts.
_VALIDATION_PREFIXES: Final = ("validation", "prediction_file", "submission")
_SCORE_PREFIXES: Final = ("score", "prediction_file", "submission")
_STATUS_KEYS: Final = frozenset(
    f"{prefix}_{name}"
    for prefix in {*_VALIDATION_PREFIXES, *_SCORE_PREFIXES}
    for name in ("status", "errors")
)
#: Annotations of a submission besides its scores: the file results.json and its version, what
#: failed, and why the submission is invalid.
RESULTS_ID: Final = "results_id"
RESULTS_VERSION: Final = "results_version"
ERROR_ANNOTATION: Final = "scoring_error"
REASONS_ANNOTATION: Final = "validation_errors"
_RESERVED: Final = frozenset(
    {
        *(RESULTS_ID, RESULTS_VERSION, ERROR_ANNOTATION, REASONS_ANNOTATION),
        *(*RESERVED_NAMES, CLAIM_ERROR),
    }
)
_MAX_RESULTS: Final = 16 * MiB
#: Number of reasons in an annotation and in the result of the task.
_MAX_REASONS: Final = 20


def read_json(path: Path, program: str) -> Any:
    """Read the JSON that a program wrote.

    Raises:
        ScorerError: The file is missing, too large, not a regular file, or not JSON with
            unique keys.
    """
    if path.is_symlink() or not path.is_file():
        found = "no regular file as its" if path.is_symlink() or path.exists() else "no"
        raise ScorerError(
            f"{program} wrote {found} results. It must write a JSON object to the file that "
            "follows the option -o",
            is_permanent=True,
        )
    if path.stat().st_size > _MAX_RESULTS:
        raise ScorerError(
            f"The results of {program} have {path.stat().st_size} bytes; the limit is "
            f"{_MAX_RESULTS} bytes",
            is_permanent=True,
        )
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_to_dict)
    except (ValueError, RecursionError) as error:
        raise ScorerError(
            f"The results of {program} are not JSON: {error}", is_permanent=True
        ) from error


def _to_dict(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, unless two of its values have the same key."""
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} has several values")
    return values


def require_results(returned: Any, program: str) -> dict[str, Any]:
    """Return the results of a program, if they are a dictionary.

    Raises:
        ScorerError: They are not.
    """
    if not isinstance(returned, dict):
        raise ScorerError(
            f"The results of {program} are {returned!r:.100}: expected a dictionary (JSON "
            "object), for a scorer with a value for each score",
            is_permanent=True,
        )
    return returned


def parse_validation(results: Mapping[str, Any], program: str) -> list[str] | None:
    """Return the reasons why a submission is invalid; None for a valid submission.

    Args:
        results: `validation_status` (`VALIDATED` or `INVALID`) and `validation_errors` (text or a
            list of texts).
        program: Name of the validator, for error messages.

    Raises:
        ScorerError: The results have another form.
    """
    prefix, status = _find_status(results, _VALIDATION_PREFIXES)
    reasons = _parse_reasons(results.get(f"{prefix}_errors"), program)
    if status == "INVALID":
        return reasons or ["The submission is invalid"]
    if status != "VALIDATED":
        raise ScorerError(
            f"{program} returned validation_status={results.get(f'{prefix}_status')!r}: expected "
            "'VALIDATED' or 'INVALID'",
            is_permanent=True,
        )
    if reasons:
        raise ScorerError(
            f"{program} returned the status VALIDATED together with errors: {reasons[0]!r:.200}",
            is_permanent=True,
        )
    return None


def to_validation_results(returned: Any, program: str) -> dict[str, Any]:
    """Return the results of a validator for the value that a function returned.

    Args:
        returned: The reasons why the submission is invalid, as a list or one text; empty if it is
            valid. Or the results as a dictionary, see `parse_validation`.
        program: Name of the function, for error messages.

    Raises:
        ScorerError: The value has another type.
    """
    if isinstance(returned, dict):
        return returned
    if not isinstance(returned, str | list):
        raise ScorerError(
            f"{program} returned {returned!r:.100}: expected a list with the reasons why the "
            "submission is invalid, which is empty for a valid submission",
            is_permanent=True,
        )
    reasons = _parse_reasons(returned, program)
    status = "INVALID" if reasons else "VALIDATED"
    return {"validation_status": status, "validation_errors": reasons}


def parse_scores(
    results: Mapping[str, Any], program: str, metrics: Sequence[str] | None
) -> dict[str, Any]:
    """Return the scores by name, as values of annotations.

    Numbers stay numbers and integers stay integers. Values that are text are kept as text.

    Args:
        results: The scores; `score_status`, if present, must be `SCORED`.
        program: Name of the scorer, for error messages.
        metrics: Names of the scores that must be numbers; None if at least one must be.

    Raises:
        ScorerError: A score is missing, is not a finite number, or cannot be an annotation.
    """
    prefix, status = _find_status(results, _SCORE_PREFIXES)
    if status not in (None, "SCORED", "VALIDATED"):
        reasons = _parse_reasons(results.get(f"{prefix}_errors"), program)
        raise ScorerError(
            f"{program} returned {prefix}_status={results[f'{prefix}_status']!r}: expected "
            f"'SCORED'. {'; '.join(reasons)}"
        )
    scores = {name: results[name] for name in list_scores(results)}
    for name, value in scores.items():
        _check_score(name, value, program)
    _check_metrics(scores, program, metrics)
    scores = {name: _unify(value) for name, value in scores.items()}
    try:
        to_synapse_annotations(scores)
    except ValueError as error:
        raise ScorerError(
            f"{program} returned a score that Synapse does not store: {error}", is_permanent=True
        ) from error
    return scores


def list_scores(results: Mapping[str, Any]) -> list[str]:
    """Return the names of the scores in results, without statuses and errors."""
    return [name for name in results if name not in _STATUS_KEYS]


def to_text_annotation(texts: Sequence[str]) -> list[str]:
    """Return texts as the values of one annotation; long texts and long lists are cut."""
    kept: list[str] = []
    left = MAX_CHARACTERS
    for text in texts[:_MAX_REASONS]:
        kept.append(_cut(text, left))
        left -= utf16_length(kept[-1])
    return [text for text in kept if text]


def shorten_texts(texts: Sequence[str]) -> list[str]:
    """Return the first texts, each with at most the size of an annotation."""
    return [_cut(text, MAX_CHARACTERS) for text in texts[:_MAX_REASONS]]


def _cut(text: str, size: int) -> str:
    """Return the start of a text that has at most `size` UTF-16 units."""
    return text.encode("utf-16-le")[: 2 * size].decode("utf-16-le", errors="ignore")


def _find_status(results: Mapping[str, Any], prefixes: Sequence[str]) -> tuple[str, str | None]:
    """Return the prefix of the status key, and the status in upper case; None if missing."""
    for prefix in prefixes:
        if f"{prefix}_status" in results:
            return prefix, str(results[f"{prefix}_status"]).upper()
    return prefixes[0], None


def _parse_reasons(value: Any, program: str) -> list[str]:
    values = [value] if isinstance(value, str) else value or []
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise ScorerError(
            f"{program} returned errors of another type, {value!r:.100}: expected a text or a "
            "list of texts",
            is_permanent=True,
        )
    return [_clean(one.strip()) for one in values if one.strip()]


def _check_score(name: str, value: Any, program: str) -> None:
    def reject(reason: str) -> ScorerError:
        return ScorerError(
            f"{program} returned {name!r}: {value!r:.100}. {reason}", is_permanent=True
        )

    if name in _RESERVED:
        raise reject("This name is reserved; use another name for the score")
    for one in value if isinstance(value, list) and value else [value]:
        if one is None or isinstance(one, dict | list):
            raise reject("A score must be a number or a text, or a list of these")
        if isinstance(one, float) and not math.isfinite(one):
            raise reject("A score must be a finite number")
        if isinstance(one, str) and _clean(one) != one:
            raise reject("A text must not contain NUL characters or halves of Unicode surrogates")


def _clean(text: str) -> str:
    """Replace the characters that JSON permits and databases do not store."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _check_metrics(scores: Mapping[str, Any], program: str, metrics: Sequence[str] | None) -> None:
    numbers = [name for name, value in scores.items() if _is_number(value)]
    if metrics is None and not numbers:
        raise ScorerError(
            f"{program} returned no score that is a number: {dict(scores)!r:.200}",
            is_permanent=True,
        )
    for name in metrics or ():
        if name not in numbers:
            found = f"{scores[name]!r:.100}" if name in scores else "nothing"
            raise ScorerError(
                f"{program} returned {found} for the metric {name!r}: expected a number",
                is_permanent=True,
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _unify(value: Any) -> Any:
    """Return a list of integers and floats as floats, because an annotation has one type."""
    if isinstance(value, list) and all(map(_is_number, value)) and len(set(map(type, value))) > 1:
        return [float(one) for one in value]
    return value

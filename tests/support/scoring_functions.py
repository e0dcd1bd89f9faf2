"""Scorers and validators. The module imports little, because each call starts a process."""

from pathlib import Path
from typing import Any


def require_header(predictions: Path) -> list[str]:
    """Validate a submission."""
    return [] if predictions.read_text().startswith("prediction") else ["The header is missing"]


def reject(predictions: Path) -> list[str]:
    """Refuse a submission."""
    return [f"{predictions.name} is invalid"]


def count_lines(predictions: Path, goldstandard: Path) -> dict[str, Any]:
    """Score a submission."""
    numbers = [len(path.read_text().splitlines()) for path in (predictions, goldstandard)]
    return {"lines": numbers[0], "ratio": numbers[0] / numbers[1]}


def read_value(predictions: Path) -> dict[str, Any]:
    """Score a submission that is a number."""
    return {"value": int(predictions.read_text())}


def describe_lines(predictions: Path) -> dict[str, Any]:
    """Return scores of several types."""
    lines = len(predictions.read_text().splitlines())
    return {"lines": lines, "share": lines / 4, "method": "count"}


def return_nan(predictions: Path) -> dict[str, Any]:
    """Return a score that Synapse does not store."""
    return {"lines": float("nan"), "name": predictions.name}

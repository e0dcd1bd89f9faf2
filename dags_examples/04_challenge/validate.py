"""Validate predictions: validate.py -p predictions.csv -g goldstandard.csv -o results.json."""

import argparse
import csv
import json
import math
from pathlib import Path

COLUMNS = ["id", "probability"]


def find_errors(predictions: Path, goldstandard: Path) -> list[str]:
    """Return what a participant must correct; nothing for a valid file."""
    with goldstandard.open(newline="") as lines:
        expected = [row["id"] for row in csv.DictReader(lines)]
    try:
        with predictions.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            if reader.fieldnames != COLUMNS:
                found = ", ".join(reader.fieldnames or ["nothing"])
                return [f"The columns must be {', '.join(COLUMNS)}; found: {found}"]
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        return [f"The file is not a CSV file in UTF-8: {error}"]
    ids = [row["id"] for row in rows]
    errors = []
    if missing := sorted(set(expected) - set(ids), key=int):
        errors.append(f"{len(missing)} patients are missing, for example {missing[0]}")
    if unknown := sorted(set(ids) - set(expected)):
        errors.append(f"{len(unknown)} patients are unknown, for example {unknown[0]}")
    if len(set(ids)) < len(ids):
        errors.append("A patient occurs twice")
    wrong = [row["id"] for row in rows if not is_probability(row["probability"])]
    if wrong:
        errors.append(f"Not between 0 and 1: {len(wrong)} values, for example {wrong[0]}")
    return errors


def is_probability(text: str | None) -> bool:
    """Return whether a text is a number between 0 and 1."""
    try:
        value = float(text or "")
    except ValueError:
        return False
    return math.isfinite(value) and 0 <= value <= 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("predictions", "goldstandard", "output"):
        parser.add_argument(f"-{option[0]}", f"--{option}", type=Path, required=True)
    arguments = parser.parse_args()
    errors = find_errors(arguments.predictions, arguments.goldstandard)
    status = "INVALID" if errors else "VALIDATED"
    results = {"validation_status": status, "validation_errors": errors}
    arguments.output.write_text(json.dumps(results))

"""Score predictions: score.py -p predictions.csv -g goldstandard.csv -o results.json."""

import argparse
import csv
import json
from pathlib import Path


def read_column(path: Path, column: str) -> dict[str, str]:
    """Return the values of a column by patient."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        return {row["id"]: row[column] for row in csv.DictReader(lines)}


def score(predictions: Path, goldstandard: Path) -> dict[str, float]:
    """Return the area under the ROC curve, and the Brier score."""
    diagnoses = read_column(goldstandard, "diagnosis")
    found = {key: float(value) for key, value in read_column(predictions, "probability").items()}
    groups: dict[bool, list[float]] = {True: [], False: []}
    for patient, diagnosis in diagnoses.items():
        groups[diagnosis == "malignant"].append(found[patient])
    wins = sum(
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in groups[True]
        for low in groups[False]
    )
    squares = [(1 - value) ** 2 for value in groups[True]] + [value**2 for value in groups[False]]
    return {
        "auc": round(wins / (len(groups[True]) * len(groups[False])), 4),
        "brier": round(sum(squares) / len(squares), 4),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("predictions", "goldstandard", "output"):
        parser.add_argument(f"-{option[0]}", f"--{option}", type=Path, required=True)
    arguments = parser.parse_args()
    results = score(arguments.predictions, arguments.goldstandard)
    arguments.output.write_text(json.dumps(results))

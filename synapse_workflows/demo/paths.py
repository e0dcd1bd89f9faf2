"""Location of the example DAGs: next to the package in a checkout, inside it in a wheel."""

from pathlib import Path


def examples_dir() -> Path:
    """Return the directory of the example DAGs; its subdirectory `data` has their data sets.

    Raises:
        FileNotFoundError: The package was installed without the examples.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "examples", package.parent / "dags_examples")
    for candidate in candidates:
        if (candidate / "data").is_dir():
            return candidate
    searched = " or ".join(str(candidate) for candidate in candidates)
    raise FileNotFoundError(
        f"No example DAGs found in {searched}. Use a checkout, or install a complete wheel."
    )

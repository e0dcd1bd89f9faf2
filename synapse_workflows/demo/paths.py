"""Where the examples lie: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path


def examples_dir() -> Path:
    """Give the directory of the example DAGs; its `data` holds what they work on.

    Raises:
        FileNotFoundError: The package was installed without them.
    """
    package = Path(__file__).resolve().parents[1]
    for place in (package / "examples", package.parent / "dags_examples"):
        if (place / "data").is_dir():
            return place
    raise FileNotFoundError(f"the examples are neither in {package} nor beside it")

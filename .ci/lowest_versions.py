"""Print the lowest declared version of each direct dependency, as pip requirements.

    python .ci/lowest_versions.py [EXTRA ...]

`requests>=2.32` becomes `requests==2.32`. Without arguments, all extras are included.
"""

import re
import sys
import tomllib
from pathlib import Path


def lowest(requirement: str) -> str:
    """Convert one requirement.

    Raises:
        ValueError: The requirement has no lower bound.
    """
    found = re.fullmatch(r"([\w.-]+(?:\[[\w,-]+\])?)\s*>=\s*([\w.]+)\s*(?:,.*)?", requirement)
    if found is None:
        raise ValueError(f"{requirement!r} has no lower bound: write it as 'name>=version'")
    return f"{found[1]}=={found[2]}"


def main(extras: list[str]) -> None:
    """Print the pins."""
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())
    optional = project["project"]["optional-dependencies"]
    own = project["project"]["name"]
    requirements = list(project["project"]["dependencies"])
    for extra in extras or optional:
        requirements += [each for each in optional[extra] if not each.startswith(f"{own}[")]
    sys.stdout.write("\n".join(sorted({lowest(each) for each in requirements})) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

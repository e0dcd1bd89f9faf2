"""Write the coverage figures and the differences from Synapse into the documents.

    python tests/contract/coverage_figures.py

Each document has a block between two comments, which the script replaces. The facts are in
`wire_facts.json`, `client_names.json`, `support.route_cases` and `support.service_differences`.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

REPO = Path(__file__).parents[2]
sys.path[:0] = [str(REPO / "tests")]

from support.client_routes import list_client_routes  # noqa: E402
from support.route_cases import CASES, S3_CASES  # noqa: E402
from support.route_coverage import (  # noqa: E402
    find_unprovoked,
    list_facts,
    list_served,
)
from support.service_differences import (  # noqa: E402
    BEHAVIORS,
    UNPROVOKED,
    UNSERVED,
    find_reason,
)
from support.wire_facts import WireFacts  # noqa: E402

import synapse_workflows  # noqa: E402
from synapse_workflows.client import errors as client_errors  # noqa: E402
from synapse_workflows.client.core.cache import Cache  # noqa: E402
from synapse_workflows.local.app import create_app  # noqa: E402
from synapse_workflows.local.settings import Settings  # noqa: E402

NAMES = Path(__file__).with_name("client_names.json")
GUIDE = REPO / "synapse_workflows" / "docs" / "local_service.md"
README = REPO / "README.md"
START = "<!-- {}: written by tests/contract/coverage_figures.py -->"
END = "<!-- end of {} -->"


class Coverage:
    """What the service serves of the documented API, and what the tests provoke."""

    def __init__(self) -> None:
        self.facts = WireFacts()
        self.routes = [route for route in self.facts.routes if route.statuses]
        with TemporaryDirectory() as folder:
            app = create_app(Settings(data_dir=Path(folder)))
            self.served = list_served(app, self.facts)
            app.state.service.close()
        self.called = list_client_routes(route.name for route in self.routes)
        self.responses = list_facts(self.facts, self.served)
        self.unprovoked = find_unprovoked(self.responses, [*CASES, *S3_CASES])

    @property
    def unserved(self) -> list[str]:
        """Documented routes that the service does not serve."""
        return [route.name for route in self.facts.routes if route.name not in self.served]


def build_figures(coverage: Coverage) -> str:
    """Return the figures as a Markdown table."""
    called, served = coverage.called, coverage.served
    provoked = len(coverage.responses) - len(coverage.unprovoked)
    names, documented = count_names()
    lines = [
        ("names of the reference client, with its arguments and defaults", names, documented),
        ("routes that the package calls, served", len(called & served), len(called)),
        ("routes of the REST API, served", len(served), len(coverage.routes)),
        ("statuses and errors of these routes, provoked", provoked, len(coverage.responses)),
    ]
    rows = [f"| {name} | {count} of {total} |" for name, count, total in lines]
    return "\n".join(["| tested against the local service | |", "|---|---|", *rows])


def count_names() -> tuple[int, int]:
    """Return how many names of the reference client exist, and how many are documented.

    `test_every_name.py` checks the arguments of each, and that a contract test uses it.
    """
    table = json.loads(NAMES.read_text())
    owners = {"": table["functions"], **table["classes"]}
    exist = [
        _exists(owner, text.partition("(")[0]) for owner, texts in owners.items() for text in texts
    ] + [hasattr(client_errors, name) for name in table["errors"]]
    return sum(exist), len(exist)


def _exists(owner: str, name: str) -> bool:
    """Return whether a class has a member, or the package a class or a function."""
    scope = getattr(synapse_workflows, owner, None) if owner else synapse_workflows
    scope = Cache if owner == "Cache" else scope  # the class of `syn.cache` is not exported
    return scope is not None and (not name or hasattr(scope, name))


def build_differences(coverage: Coverage) -> str:
    """Return the differences from Synapse as Markdown."""
    parts = [build_figures(coverage)]
    for subject, sentences in BEHAVIORS.items():
        parts.append("\n".join([f"{subject}:\n", *(f"- {sentence}" for sentence in sentences)]))
    parts.append(_build_table("route", UNSERVED, coverage.unserved))
    parts.append(_build_table("response", UNPROVOKED, list(map(str, coverage.unprovoked))))
    return "\n\n".join(parts)


def _build_table(subject: str, reasons: dict[str, str], names: list[str]) -> str:
    """Return a table of routes or responses that do not exist, with one row for each reason."""
    found = defaultdict(set)
    for name in names:
        found[find_reason(name, reasons)].add(f"`{_shorten(name)}`")
    rows = [f"| {', '.join(sorted(names))} | {reason} |" for reason, names in found.items()]
    return "\n".join([f"| {subject} that the service does not have | |", "|---|---|", *rows])


def _shorten(name: str) -> str:
    return re.sub(r"/(repo|file|auth)/v1|/\w+(?=/{owner})", "", name)


def replace_block(text: str, name: str, content: str) -> str:
    """Return a document with the content of a block replaced.

    Raises:
        ValueError: The document has no such block.
    """
    start, end = START.format(name), END.format(name)
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"Expected the lines {start} and {end} once.")
    before, _, rest = text.partition(start)
    return f"{before}{start}\n{content}\n{end}{rest.partition(end)[2]}"


def build_documents(coverage: Coverage) -> dict[Path, str]:
    """Return the documents with current blocks."""
    contents = {
        README: ("coverage", build_figures(coverage)),
        GUIDE: ("differences", build_differences(coverage)),
    }
    return {
        path: replace_block(path.read_text(), name, content)
        for path, (name, content) in contents.items()
    }


def main() -> None:
    """Write the documents."""
    for path, text in build_documents(Coverage()).items():
        path.write_text(text)


if __name__ == "__main__":
    main()

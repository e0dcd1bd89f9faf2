"""What the cases of `support.route_cases` prove of the documented facts."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from support.route_case import Case
from support.wire_facts import WireFacts


@dataclass(frozen=True)
class Fact:
    """A documented status of a route, or a text or an error code of such a response.

    Args:
        route: Route, as `METHOD /path/{parameter}`; empty for a fact of all routes.
        status: HTTP status.
        text: Documented text or error code; empty for the status itself.
        causes: Number of documented causes.
    """

    route: str
    status: int
    text: str = ""
    causes: int = 1

    def __str__(self) -> str:
        """Return the fact as one line."""
        return f"{self.route} {self.status} {self.text}".strip()


def list_facts(facts: WireFacts, routes: set[str]) -> list[Fact]:
    """List all documented facts of some routes, and those of all routes."""
    found = [
        Fact(route.name, status)
        for route in facts.routes
        for status in sorted(route.statuses)
        if route.name in routes
    ]
    for route, errors in facts.errors.items():
        for status, (causes, texts) in errors.items() if route in routes else ():
            found.append(Fact(route, status, causes=causes))
            found += [Fact(route, status, text) for text in texts]
    for status, texts in facts.statuses.items():
        found += [Fact("", status), *(Fact("", status, text) for text in texts)]
    return found + [Fact("", status, code) for code, status in facts.codes.items()]


def find_unprovoked(facts: list[Fact], cases: list[Case]) -> list[Fact]:
    """Return the facts that no case provokes, or with fewer causes than documented."""
    statuses = Counter((case.route, case.status) for case in cases)
    statuses += Counter(("", case.status) for case in cases)
    reasons = {(route, case.status, case.reason) for case in cases for route in (case.route, "")}
    return [
        fact
        for fact in facts
        if (fact.text and (fact.route, fact.status, fact.text) not in reasons)
        or (not fact.text and statuses[fact.route, fact.status] < fact.causes)
    ]


def list_served(app: Any, facts: WireFacts) -> set[str]:
    """Return the routes of the table that an application serves."""
    served = {
        normalize(f"{method} {route.path}")
        for route in app.routes
        if re.match(r"/(repo|file|auth)/v1", route.path)
        for method in route.methods
    }
    return {route.name for route in facts.routes if normalize(route.name) in served}


def normalize(route: str) -> str:
    """Return a route without the names of its parameters, which differ between tables."""
    return re.sub(r"\{[^}]+\}", "{}", route).rstrip("/")

"""Generate `wire_facts.json`: routes and JSON types of the Synapse REST API.

    python tests/contract/make_wire_facts.py CONTRACT [OUTPUT]

CONTRACT is a directory with `validate.py`, `schemas/`, `schemas-extra/` and `endpoints.md`. The
table holds facts only (names, types, enum values, required properties, routes, statuses, error
texts that clients see), no descriptions. `support.wire_facts` documents the format and reads it.
"""

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import documented_errors

PREFIXES = {"e.": "org.sagebionetworks.evaluation.model.", "": "org.sagebionetworks.repo.model."}
#: Enum values that clients newer than the contract (October 2024) send.
NEWER = {"EntityType": ["recordset", "searchindex"]}
#: Properties that the local service adds: the S3 server of credentials. In Synapse, it is AWS.
EXTENSIONS = {"org.sagebionetworks.repo.model.sts.StsCredentials": {"endpointUrl": "string"}}
OWNERS = ("entity", "evaluation", "access_requirement")
#: Routes of the service that the contract does not list.
ADDED = {
    f"GET /repo/v1/{owner}/{{owner}}/wiki/{{wikiId}}/attachmentpreview": [
        None,
        "redirect",
        [200, 307],
    ]
    for owner in OWNERS
} | {
    "GET /repo/v1/asynchronous/job/{jobId}/cancel": [None, None, [200]],
    "POST /file/v1/file/multipart/copy": [
        "file.MultipartUploadCopyRequest",
        "file.MultipartUploadStatus",
        [201],
    ],
    "PUT /repo/v1/message/status": ["message.MessageStatus", None, [200]],
    "PUT /repo/v1/team/{id}/member/{principalId}/permission": [None, None, [204]],
}
#: Schemas that the contract names in another way than by ID.
NAMED = {"Annotations (v1)": "Annotations", "BooleanResult (schemas-extra)": "BooleanResult"}
SCALARS = ("string", "integer", "number", "boolean")


@dataclass(frozen=True)
class Row:
    """One row of a route table in endpoints.md."""

    base: str
    paths: str
    request: str
    response: str
    statuses: str
    scopes: str
    notes: str


def load_contract(folder: Path) -> ModuleType:
    """Import the contract's `validate.py`, which reads the schemas."""
    spec = importlib.util.spec_from_file_location("synapse_contract", folder / "validate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def short(name: str) -> str:
    """Shorten a schema ID the way endpoints.md does."""
    for prefix, full in PREFIXES.items():
        if name.startswith(full):
            return prefix + name.removeprefix(full)
    return name


class Types:
    """The types that some routes need, directly or through others."""

    def __init__(self, registry: Any) -> None:
        self.registry = registry
        self.table: dict[str, Any] = {}

    def add(self, name: str) -> str:
        """Add a type and all that it refers to; return its short ID."""
        if short(name) not in self.table:
            self.table[short(name)] = None
            self.table[short(name)] = self._definition(name)
        return short(name)

    def _definition(self, name: str) -> Any:
        raw = self.registry.schemas[name]
        if "enum" in raw:
            return _enum(raw)
        classes = self.registry.concrete_types(name)
        facts: dict[str, Any] = {}
        default = raw.get("defaultConcreteType")
        if classes != [name] or self.registry.is_interface(name) or default:
            default = default or (None if self.registry.is_interface(name) else name)
            facts["classes"] = [self.add(each) for each in classes]
            facts |= {"default": self.add(default)} if default else {}
        if not self.registry.is_interface(name):
            facts["properties"] = self._properties(name)
        return facts

    def _properties(self, name: str) -> dict[str, Any]:
        own = self.registry.properties(name)
        found = {
            key + ("!" if _is_true(spec.get("required")) else ""): self._spec(spec, name)
            for key, spec in own.items()
        }
        if self.registry.bases(name) or "concreteType" in own:
            found.pop("concreteType!", None)
            found["concreteType"] = "self"
        return found | EXTENSIONS.get(name, {})

    def _spec(self, spec: dict[str, Any], owner: str) -> Any:
        """Convert the specification of one property, item or value."""
        kind = spec.get("type")
        if spec.get("$recursiveRef") == "#":
            return self.add(owner)
        if "$ref" in spec:
            target, default = self.add(spec["$ref"]), spec.get("defaultConcreteType")
            return {"ref": target, "default": self.add(default)} if default else target
        if "enum" in spec:
            return {"enum": _enum(spec)}
        if kind in {"array", "map", "tuplearraymap", "object", "interface"}:
            return self._compound(kind, spec, owner)
        if kind == "string" and spec.get("format") == "date-time":
            return "date-time"
        return kind if kind in SCALARS else "any"

    def _compound(self, kind: str, spec: dict[str, Any], owner: str) -> Any:
        if kind == "array":
            items = self._spec(spec.get("items") or {}, owner)
            return [items, "unique"] if spec.get("uniqueItems") else [items]
        if kind in {"map", "tuplearraymap"}:
            pair = [self._spec(spec.get(side) or {}, owner) for side in ("key", "value")]
            return {"map" if kind == "map" else "pairs": pair}
        nested = spec.get("properties") or {}
        written = {key: self._spec(value, owner) for key, value in nested.items()}
        return {"object": written} if nested else "object"


def _enum(raw: dict[str, Any]) -> list[str]:
    return [each["name"] if isinstance(each, dict) else each for each in raw["enum"]]


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def rows(text: str) -> Iterator[Row]:
    """Yield the rows of all tables whose first column is `METHOD path`."""
    base = ""
    in_table = False
    for line in text.splitlines():
        if heading := re.match(r"## .*\(((?:repo|auth|file)/v1)\)", line):
            base = "/" + heading[1]
        cells = [cell.strip() for cell in line.replace(r"\|", "/").strip()[1:-1].split("|")]
        if not line.startswith("|"):
            in_table = False
        elif cells[0] == "METHOD path":
            in_table = True
        elif in_table and "/" in cells[0] and "pre-signed" not in cells[0]:
            yield Row(base, cells[0], cells[1], cells[2], *cells[4:])


def targets(paths: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield position, methods and path of each route that a first cell names."""
    versioned = "(and versioned)" in paths
    text = re.sub(r"\*?\([^)]*\)\*?", "", paths).replace("→", ",")
    waiting: list[str] = []
    methods: list[str] = []
    path = ""
    position = -1
    for word in re.split(r"[\s,]+", text.strip()):
        if word.isupper():
            waiting.append(word)
            continue
        position += 1
        if word == "get":  # the second half of an asynchronous job
            methods, path = ["GET"], path.replace("/start", "/get/{token}")
        else:
            methods, path = waiting or methods, _absolute(word, path)
        waiting = []
        for variant in _variants(path, versioned=versioned):
            yield position, methods, variant


def _absolute(word: str, before: str) -> str:
    """Complete `.../name`, which takes the place of the last part of the path before it."""
    if not word.startswith("..."):
        return word
    start, _, last = before.rpartition("/")
    rest = word.removeprefix("...")
    return before + rest.removeprefix(f"/{last}") if rest.startswith(f"/{last}") else start + rest


def _variants(path: str, *, versioned: bool) -> Iterator[str]:
    required, _, optional = path.partition("[")
    found = [required] + ([required + optional.rstrip("]")] if optional else [])
    found += [each.replace("{id}", "{id}/version/{n}") for each in found] if versioned else []
    for each in found:
        if "/entity/{owner}" in each:
            yield from (each.replace("entity", owner, 1) for owner in OWNERS)
        else:
            yield each


def routes(text: str, types: Types) -> dict[str, list[Any]]:
    """Read all routes: request type, response type, success statuses."""
    found: dict[str, list[Any]] = {}
    for row in rows(text):
        requests = _cell(row.request, types)
        responses = requests if row.response == "same" else _cell(row.response, types)
        statuses = [int(each) for each in re.findall(r"\b(20[014]|307)\b", row.statuses)]
        several = 1 + max(position for position, _, _ in targets(row.paths))
        for number, methods, path in targets(row.paths):
            request = requests[min(number, len(requests) - 1)]
            response = responses[min(number, len(responses) - 1)]
            if path.endswith("/async/start"):
                response = types.add(types.registry.resolve("asynch.AsyncJobId"))
            expected = statuses
            if len(statuses) == several > 1:
                expected = [statuses[number]]
            if "/async/get/" in path:
                expected = [201, 202]
            if 307 in statuses:
                response, expected = "redirect", [200, 307]
            for method in methods:
                sent = None if method in {"GET", "DELETE", "HEAD"} else request
                found[f"{method} {row.base}{path}"] = [sent, response, expected]
    return found


def access(text: str) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Read the errors and the OAuth scopes of all routes.

    The errors of an asynchronous job are those of the request for its result.
    """
    errors, scopes = {}, {}
    for row in rows(text):
        for _, methods, path in targets(row.paths):
            for method in methods:
                name = f"{method} {row.base}{path}"
                scopes[name] = documented_errors.read_scopes(row.scopes)
                has_body = row.request not in {"", "-"} and method in {"POST", "PUT"}
                has_body &= not path.endswith("{wikiVersion}")
                has_body |= "/async/get/" in path
                if not path.endswith("/async/start"):
                    notes = row.notes.replace("ownerType: ENTITY", f"ownerType: {_owner(path)}")
                    errors[name] = documented_errors.read_errors(notes, has_body=has_body)
    return (
        {name: found for name, found in errors.items() if found},
        {name: needed for name, needed in scopes.items() if needed},
    )


def _owner(path: str) -> str:
    """Return the type of the owner of a wiki, as error texts name it."""
    return path.split("/")[1].upper()


def _cell(cell: str, types: Types) -> list[str | None]:
    """Return the types that a request or response cell names; null for an empty body."""
    if cell in NAMED:
        return [types.add(types.registry.resolve(NAMED[cell]))]
    optional = "?" if "or empty body" in cell else ""
    if cell == "bare JSON number":
        return ["integer"]
    if cell.startswith("(Validate"):  # a schema that the contract does not have
        return ["object"]
    text = re.sub(r"`[^`]*`|\*\*[^*]*\*\*|\([^)]*\)|\\", "", cell).strip()
    return [_type(each.strip(), types, optional) for each in text.split(",")]


def _type(name: str, types: Types, optional: str) -> str | None:
    if name in {"", "-"}:
        return None
    if generic := re.fullmatch(r"(Page|List)<(.+)>", name):
        return f"{generic[1]}<{types.add(types.registry.resolve(generic[2]))}>"
    try:
        return types.add(types.registry.resolve(name)) + optional
    except KeyError:
        sys.stderr.write(f"no schema for {name}: any JSON object is accepted\n")
        return "object"


def dump(table: dict[str, Any]) -> str:
    """Write JSON with one line for each route and each type."""
    sections = []
    for name, entries in table.items():
        lines = [
            f"{json.dumps(key)}: {json.dumps(entries[key], separators=(',', ':'))}"
            for key in sorted(entries)
        ]
        sections.append(f"{json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(sections) + "\n}\n"


def main(contract: str, output: str | None = None) -> None:
    """Write the table for a contract."""
    folder = Path(contract)
    types = Types(load_contract(folder).Registry())
    for name in ("asynch.AsynchronousJobStatus", "ErrorResponse"):
        types.add(types.registry.resolve(name))
    text = (folder / "endpoints.md").read_text()
    found = routes(text, types) | ADDED
    errors, scopes = access(text)
    table = {
        "newer": NEWER,
        "routes": found,
        "errors": errors,
        "scopes": scopes,
        "statuses": documented_errors.read_statuses(text),
        "codes": documented_errors.read_error_codes(text),
        "types": types.table,
    }
    target = Path(output) if output else Path(__file__).with_name("wire_facts.json")
    target.write_text(dump(table))


if __name__ == "__main__":
    main(*sys.argv[1:])

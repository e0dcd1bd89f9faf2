"""The recorder accepts what fits the table of wire facts, and reports everything else."""

import asyncio
import json
import re

import pytest
from support.wire_facts import FACTS, WireFacts
from support.wire_recorder import Recorder

from synapse_workflows.local.app import create_app
from synapse_workflows.local.settings import Settings

MODEL = "org.sagebionetworks.repo.model"
FOLDER = {"concreteType": f"{MODEL}.Folder", "name": "f", "parentId": "syn1"}
COLUMN = {"name": "a", "columnType": "STRING"}


@pytest.fixture(scope="module")
def facts():
    return WireFacts()


@pytest.fixture
def recorder(facts):
    return Recorder(None, facts)


def exchange(recorder, call, status, response, request=None):
    method, path = call.split()
    bodies = (b"" if body is None else json.dumps(body).encode() for body in (request, response))
    sent, answered = bodies
    recorder.check(method, path, sent, status, answered)
    return recorder.problems


def test_it_validates_requests_and_responses(recorder):
    assert exchange(recorder, "POST /repo/v1/entity", 201, FOLDER, FOLDER) == []
    assert recorder.validated == 2


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({**FOLDER, "nome": "f"}, "'nome' is not a property of Folder"),
        ({**FOLDER, "name": 1}, r"\$\.name: 1 is not of type string"),
        ({**FOLDER, "createdOn": "yesterday"}, "'yesterday' is not of type date-time"),
        ({**FOLDER, "concreteType": f"{MODEL}.Cupboard"}, "is not a class of Entity"),
        ({"name": "f"}, "concreteType is required"),
        ({**FOLDER, "concreteType": f"{MODEL}.Link", "linksTo": {"targetId": 7}}, "targetId: 7"),
        ([FOLDER], "is not an object"),
        (None, "not JSON"),
    ],
)
def test_a_wrong_response_is_reported(recorder, body, problem):
    (found,) = exchange(recorder, "GET /repo/v1/entity/syn1", 200, body)
    assert found.startswith("response of GET /repo/v1/entity/syn1 200: ")
    assert re.search(problem, found)


def test_a_missing_required_property_is_reported(recorder):
    call = "PUT /repo/v1/entity/syn1/annotations2"
    full = {"annotations": {"a": {"type": "STRING", "value": ["x"]}}}
    assert exchange(recorder, call, 200, full, full) == []
    (found,) = exchange(recorder, call, 200, full, {"annotations": {"a": {"type": "STRING"}}})
    assert found == f"request of {call} 200: $.annotations.a: 'value' is a required property"


@pytest.mark.parametrize(
    ("call", "status", "response", "problem"),
    [
        ("GET /repo/v1/column", 200, {"results": [{**COLUMN, "columnType": "TEXT"}]}, "'TEXT'"),
        ("GET /repo/v1/column", 200, {"results": COLUMN}, "not an array"),
        ("GET /repo/v1/entity/1/version", 200, {"list": []}, "'results' is a required property"),
        ("GET /repo/v1/entity/1/version", 200, {"results": [], "more": 1}, "'more'"),
        ("GET /repo/v1/evaluation/1/submission/count", 200, "7", "not of type integer"),
        ("POST /repo/v1/entity", 200, FOLDER, r"status of success is one of \[201\]"),
        ("DELETE /repo/v1/entity/syn1", 204, {"id": "syn1"}, "not empty"),
        ("GET /repo/v1/entity/syn1/file", 200, {"url": "http://h"}, "not a URL"),
        ("GET /repo/v1/entity/syn1", 404, {"detail": "not found"}, "no reason"),
        ("GET /repo/v1/entity/syn1", 404, {"reason": "r", "why": "w"}, "'why' is not a property"),
        ("GET /repo/v1/entity/syn1", 403, {"reason": "r", "errorCode": "BAD"}, "'BAD' is not one"),
        ("GET /repo/v1/entity/syn1", 500, None, "not JSON"),
    ],
)
def test_a_response_that_does_not_fit_its_route_is_reported(
    recorder, call, status, response, problem
):
    request = FOLDER if call.startswith("POST") else None
    (found,) = exchange(recorder, call, status, response, request)
    assert re.search(problem, found)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({**COLUMN, "columnType": "TEXT"}, "'TEXT' is not one of"),
        ({**COLUMN, "maximumSize": "many"}, "'many' is not of type integer"),
        ({**COLUMN, "enumValues": "a,b"}, "'a,b' is not an array"),
    ],
)
def test_a_wrong_request_is_reported(recorder, body, problem):
    (found,) = exchange(recorder, "POST /repo/v1/column", 201, COLUMN, body)
    assert found.startswith("request of POST /repo/v1/column")
    assert problem in found


def test_requests_are_read_as_the_service_reads_them(recorder):
    """Unknown properties, numbers for strings and the reverse, types of newer clients."""
    body = {**COLUMN, "name": 1, "maximumSize": "5", "comment": "x"}
    assert exchange(recorder, "POST /repo/v1/column", 201, COLUMN, body) == []
    children = {"parentId": "syn1", "includeTypes": ["file", "recordset"]}
    assert exchange(recorder, "POST /repo/v1/entity/children", 200, {"page": []}, children) == []
    children["includeTypes"] = ["shelf"]
    (found,) = exchange(recorder, "POST /repo/v1/entity/children", 200, {"page": []}, children)
    assert "'shelf'" in found


@pytest.mark.parametrize("status", [200, 403])
def test_a_route_that_the_table_does_not_know_is_reported(recorder, status):
    call = "GET /repo/v1/entity/syn1/cupboard"
    found = exchange(recorder, call, status, {"reason": "no"})
    assert found == [f"{call} {status}: the table of facts has no such route"]


@pytest.mark.parametrize("status", [404, 405])
def test_an_unknown_route_may_be_answered_as_unknown(recorder, status):
    assert exchange(recorder, "GET /repo/v1/cupboard", status, {"reason": "no"}) == []


def test_a_job_in_progress_answers_its_status(recorder):
    call = "GET /repo/v1/entity/syn1/table/query/async/get/1"
    assert exchange(recorder, call, 202, {"jobState": "PROCESSING"}) == []
    (found,) = exchange(recorder, call, 202, {"queryResult": {}})
    assert "queryResult" in found


def test_static_paths_win_over_parameters(facts):
    assert facts.route("GET", "/repo/v1/evaluation/available").name.endswith("/available")
    assert facts.route("GET", "/repo/v1/evaluation/17").name.endswith("/{id}")
    assert facts.route("GET", "/repo/v1/evaluation/name/a/b").name.endswith("/name/{name}")
    assert facts.route("PATCH", "/repo/v1/evaluation/17") is None


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"routes": {}, "types": {}}'])
def test_a_missing_or_empty_table_is_an_error(tmp_path, content):
    path = tmp_path / "facts.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises((OSError, ValueError)):
        WireFacts(path)


def test_every_type_that_the_table_names_is_in_it(facts):
    """Of routes, properties, classes and defaults."""
    scalars = {"string", "date-time", "integer", "number", "boolean", "object", "any", "self"}
    named = set(re.findall(r'"((?:[\w.]+\.)?[A-Z]\w*)"', FACTS.read_text()))
    for route in facts.routes:
        for name in (route.request, route.response):
            if name not in {None, "redirect", *scalars}:
                assert re.sub(r"^\w+<|>$|\?$", "", name) in facts.types
    used = {name for each in facts.types.values() if isinstance(each, dict) for name in refs(each)}
    assert used - scalars <= set(facts.types)
    assert used <= named | scalars


def refs(spec):
    """Yield the type names in a definition."""
    if isinstance(spec, str):
        yield spec
    elif isinstance(spec, list):
        for each in spec[:1]:
            yield from refs(each)
    elif "enum" not in spec:
        yield from spec.get("classes", [])
        yield from [spec[key] for key in ("default", "ref") if isinstance(spec.get(key), str)]
        for key in ("properties", "object"):
            for each in spec.get(key, {}).values():
                yield from refs(each)
        for key in ("map", "pairs"):
            for each in spec.get(key, []):
                yield from refs(each)


def test_every_route_of_the_service_is_in_the_table(facts, tmp_path):
    app = create_app(Settings(data_dir=tmp_path))
    table = {re.sub(r"\{\w+\}", "{}", route.name) for route in facts.routes}
    served = {
        f"{method} {re.sub(r'{[^}]+}', '{}', route.path).rstrip('/')}"
        for route in app.routes
        if re.match(r"/(repo|file|auth)/v1", route.path)
        for method in route.methods
    }
    app.state.service.close()
    assert served
    assert served <= table


def test_the_services_of_the_tests_have_a_recorder(service, recorders, syn):
    before = sum(len(recorder.exchanges) for recorder in recorders)
    syn.getUserProfile(refresh=True)
    assert sum(len(recorder.exchanges) for recorder in recorders) > before


def test_the_recorder_reports_what_an_application_answers(facts):
    """An exchange through the ASGI interface, with a body in two parts."""

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200})
        for part, more in ((b'{"id": ', True), (b"1}", False)):
            await send({"type": "http.response.body", "body": part, "more_body": more})

    sent = []

    async def send(message):
        sent.append(message)

    recorder = Recorder(app, facts)
    scope = {"type": "http", "method": "GET", "path": "/repo/v1/entity/alias/a"}
    asyncio.run(recorder(scope, None, send))
    assert recorder.problems == [
        "response of GET /repo/v1/entity/alias/a 200: $.id: 1 is not of type string"
    ]
    assert [message["type"] for message in sent] == ["http.response.start"] + 2 * [
        "http.response.body"
    ]

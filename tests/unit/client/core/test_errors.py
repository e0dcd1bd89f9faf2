"""Error classes: attributes, built-in base classes, pickling and retry categories."""

import inspect
import pickle

import pytest
import requests

from synapse_workflows.client import errors
from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseError,
    SynapseHTTPError,
    SynapseMd5MismatchError,
)

CLASSES = sorted(
    (
        cls
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, SynapseError)
    ),
    key=lambda cls: cls.__name__,
)
REPO = "https://repo.example.org/repo/v1"


def make(cls: type[SynapseError]) -> SynapseError:
    if issubclass(cls, SynapseHTTPError):
        return cls(
            418, "a pot", "GET /tea", error_code="POT", retry_after=2.5, advice="Make coffee."
        )
    if issubclass(cls, SynapseMd5MismatchError):
        return cls("wrong bytes", expected="a", found="b", path="/x")
    return cls("something broke\nDo this.")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_error_can_be_pickled(cls):
    error = make(cls)
    error.add_note("a note")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert copy.__dict__ == error.__dict__


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_error_is_listed_in_the_module_docstring(cls):
    assert cls.__name__ in errors.__doc__


@pytest.mark.parametrize(
    ("status", "name", "builtin"),
    [
        (400, "SynapseBadRequestError", ValueError),
        (401, "SynapseUnauthorizedError", errors.SynapseAuthenticationError),
        (403, "SynapseForbiddenError", PermissionError),
        (404, "SynapseNotFoundError", FileNotFoundError),
        (410, "SynapseNotFoundError", FileNotFoundError),
        (409, "SynapseConflictError", SynapseHTTPError),
        (412, "SynapseStaleError", errors.SynapseConflictError),
        (418, "SynapseHTTPError", requests.HTTPError),
        (423, "SynapseLockedError", SynapseHTTPError),
        (429, "SynapseTooManyRequestsError", SynapseHTTPError),
        (500, "SynapseServerError", SynapseHTTPError),
        (599, "SynapseServerError", SynapseHTTPError),
        (302, "SynapseHTTPError", SynapseHTTPError),
    ],
)
def test_status_determines_the_class(syn, http, status, name, builtin):
    http.get(f"{REPO}/entity/syn1", status=status, json={"reason": "not today", "errorCode": "E"})
    with pytest.raises(builtin) as caught:
        syn.restGET("/entity/syn1", params={"a": 1}, retryPolicy={"retries": 0})
    error = caught.value
    assert type(error).__name__ == name
    assert isinstance(error, requests.HTTPError)
    assert (error.status, error.reason, error.call) == (status, "not today", "GET /entity/syn1")
    assert error.error_code == "E"
    assert error.response.status_code == status
    assert str(error).startswith(f"{status} GET /entity/syn1: not today")


def test_builtin_base_classes():
    assert issubclass(errors.SynapseTimeoutError, TimeoutError)
    assert issubclass(errors.SynapseMd5MismatchError, OSError)
    assert issubclass(errors.SynapseFileNotFoundError, FileNotFoundError)
    assert issubclass(errors.SynapseConfigError, ValueError)
    assert issubclass(errors.SynapseNoCredentialsError, errors.SynapseAuthenticationError)


def test_advice_is_a_separate_line(syn, http):
    http.put(f"{REPO}/entity/syn1", status=412, json={"reason": "was updated"})
    with pytest.raises(errors.SynapseStaleError) as caught:
        syn.restPUT("/entity/syn1", "{}")
    assert str(caught.value).splitlines() == [
        "412 PUT /entity/syn1: was updated",
        "It was changed after it was read. Get it again, apply the change, and store it.",
    ]


@pytest.mark.parametrize("status", [401, 403])
def test_anonymous_401_and_403_raise_authentication_error(make, http, status):
    http.get(f"{REPO}/entity/syn1", status=status, json={"reason": "no READ"})
    with pytest.raises(errors.SynapseAuthenticationError) as caught:
        make().restGET("/entity/syn1")
    lines = str(caught.value).splitlines()
    assert lines[0] == "You are not logged in and do not have access to a requested resource."
    assert lines[1] == f"{status} GET /entity/syn1: no READ"
    assert caught.value.__cause__.status == status


def test_expired_presigned_url_is_not_an_authentication_error(make, http):
    http.get("https://s3.example.org/key", status=403, body="<Error><Code>Expired</Code></Error>")
    with pytest.raises(errors.SynapseForbiddenError, match="Expired"):
        make().call("GET", "https://s3.example.org/key?X-Amz-Signature=abc", auth=None)


def test_debug_error_contains_request_and_response_without_secrets(make, http):
    syn = make("token-of-alice-1234", debug=True)
    http.post(f"{REPO}/x", status=400, json={"reason": "no"}, headers={"X-Trace": "t1"})
    with pytest.raises(errors.SynapseBadRequestError) as caught:
        syn.restPOST("/x", '{"the": "body"}')
    text = str(caught.value)
    for part in (f"POST {REPO}/x", '{"the": "body"}', "X-Trace: t1", "Authorization: <redacted>"):
        assert part in text
    assert "token-of-alice" not in text


def test_success_that_is_not_json_raises(syn, http):
    http.get(f"{REPO}/userProfile/1", body="<html>", content_type="text/html")
    with pytest.raises(SynapseError, match="not JSON"):
        syn.getUserProfile(1)


SAFE, UNCERTAIN, CONFLICT, PERMANENT = RetryCategory


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (400, PERMANENT),
        (401, PERMANENT),
        (403, PERMANENT),
        (404, PERMANENT),
        (408, UNCERTAIN),
        (409, CONFLICT),
        (410, PERMANENT),
        (412, CONFLICT),
        (418, PERMANENT),
        (423, CONFLICT),
        (429, SAFE),
        (500, UNCERTAIN),
        (501, PERMANENT),
        (502, UNCERTAIN),
        (503, SAFE),
        (504, UNCERTAIN),
        (505, PERMANENT),
        (599, UNCERTAIN),
    ],
)
def test_retry_category_of_http_errors_depends_on_the_status(status, category):
    error = SynapseHTTPError.of(status, "please try again", "GET /x")
    assert error.retry_category is category
    assert pickle.loads(pickle.dumps(error)).retry_category is category  # noqa: S301


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (errors.SynapseError("x"), UNCERTAIN),
        (errors.SynapseConfigError("x"), PERMANENT),
        (errors.SynapseAuthenticationError("x"), PERMANENT),
        (errors.SynapseNoCredentialsError("x"), PERMANENT),
        (errors.SynapseConnectionError("x"), UNCERTAIN),
        (errors.SynapseConnectionError("x", retry_category=SAFE), SAFE),
        (errors.SynapseConnectionError("x", retry_category=PERMANENT), PERMANENT),
        (errors.SynapseJobError("x"), UNCERTAIN),
        (errors.SynapseTimeoutError("x"), UNCERTAIN),
        (errors.SynapseDownloadError("x"), UNCERTAIN),
        (errors.SynapseFileNotFoundError("x"), PERMANENT),
        (errors.SynapseMalformedEntityError("x"), PERMANENT),
        (errors.SynapseProvenanceError("x"), PERMANENT),
        (errors.SynapseUnmetAccessRestrictions("x"), PERMANENT),
    ],
    ids=lambda value: type(value).__name__,
)
def test_retry_category_of_other_errors_depends_on_the_class(error, category):
    assert error.retry_category is category
    assert pickle.loads(pickle.dumps(error)).retry_category is category  # noqa: S301


@pytest.mark.parametrize(
    ("status", "reason", "category"),
    [
        (400, "invalid", PERMANENT),
        (400, "Please slow down.", SAFE),
        (400, "RequestTimeout: idle", UNCERTAIN),
        (500, "try again", SAFE),
        (404, "No entity named 'timeout'", PERMANENT),
        (409, "try again", CONFLICT),
        (503, "timeout", SAFE),
    ],
)
def test_retry_category_of_responses_considers_the_phrases_of_synapseclient(
    status, reason, category
):
    assert RetryCategory.of_response(status, reason) is category


def test_http_error_can_have_only_a_message():
    response = requests.Response()
    response.status_code = 403
    assert SynapseHTTPError("403 Client Error", response=response).status == 403
    error = SynapseHTTPError("403 Client Error")
    assert (str(error), error.status) == ("403 Client Error", 0)

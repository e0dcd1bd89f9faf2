"""Errors carry what is known, are what Python calls them too, and cross processes."""

import inspect
import pickle

import pytest
import requests

from synapse_workflows.client import errors
from synapse_workflows.client.errors import SynapseError, SynapseHTTPError, SynapseMd5MismatchError

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
def test_pickles_whole(cls):
    error = make(cls)
    error.add_note("a note")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert copy.__dict__ == error.__dict__


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_is_drawn_in_the_tree(cls):
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
def test_the_status_decides_the_class(syn, http, status, name, builtin):
    http.get(f"{REPO}/entity/syn1", status=status, json={"reason": "said so", "errorCode": "E"})
    with pytest.raises(builtin) as caught:
        syn.restGET("/entity/syn1", params={"a": 1}, retryPolicy={"retries": 0})
    error = caught.value
    assert type(error).__name__ == name
    assert isinstance(error, requests.HTTPError)
    assert (error.status, error.reason, error.call) == (status, "said so", "GET /entity/syn1")
    assert error.error_code == "E"
    assert error.response.status_code == status
    assert str(error).startswith(f"{status} GET /entity/syn1: said so")


def test_builtin_kinds():
    assert issubclass(errors.SynapseTimeoutError, TimeoutError)
    assert issubclass(errors.SynapseMd5MismatchError, OSError)
    assert issubclass(errors.SynapseFileNotFoundError, FileNotFoundError)
    assert issubclass(errors.SynapseConfigError, ValueError)
    assert issubclass(errors.SynapseNoCredentialsError, errors.SynapseAuthenticationError)


def test_advice_is_a_line_of_its_own(syn, http):
    http.put(f"{REPO}/entity/syn1", status=412, json={"reason": "was updated"})
    with pytest.raises(errors.SynapseStaleError) as caught:
        syn.restPUT("/entity/syn1", "{}")
    assert str(caught.value).splitlines() == [
        "412 PUT /entity/syn1: was updated",
        "Somebody changed it since it was read: get it again, apply the change, store again.",
    ]


@pytest.mark.parametrize("status", [401, 403])
def test_without_login_the_way_out_is_to_log_in(make, http, status):
    http.get(f"{REPO}/entity/syn1", status=status, json={"reason": "no READ"})
    with pytest.raises(errors.SynapseAuthenticationError) as caught:
        make().restGET("/entity/syn1")
    said = str(caught.value).splitlines()
    assert said[0] == "You are not logged in and do not have access to a requested resource."
    assert said[1] == f"{status} GET /entity/syn1: no READ"
    assert caught.value.__cause__.status == status


def test_a_presigned_url_that_expired_is_no_matter_of_logging_in(make, http):
    http.get("https://s3.example.org/key", status=403, body="<Error><Code>Expired</Code></Error>")
    with pytest.raises(errors.SynapseForbiddenError, match="Expired"):
        make().call("GET", "https://s3.example.org/key?X-Amz-Signature=abc", auth=None)


def test_debugging_shows_the_exchange_without_secrets(make, http):
    syn = make("token-of-alice-1234", debug=True)
    http.post(f"{REPO}/x", status=400, json={"reason": "no"}, headers={"X-Trace": "t1"})
    with pytest.raises(errors.SynapseBadRequestError) as caught:
        syn.restPOST("/x", '{"the": "body"}')
    text = str(caught.value)
    for part in (f"POST {REPO}/x", '{"the": "body"}', "X-Trace: t1", "Authorization: <redacted>"):
        assert part in text
    assert "token-of-alice" not in text


def test_a_non_json_success_says_what_is_wrong(syn, http):
    http.get(f"{REPO}/userProfile/1", body="<html>", content_type="text/html")
    with pytest.raises(SynapseError, match="not JSON"):
        syn.getUserProfile(1)

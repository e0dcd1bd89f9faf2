"""User profiles: lookup by number, name or object, and caching."""

import base64

import pytest

from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.errors import SynapseAuthenticationError, SynapseNotFoundError
from synapse_workflows.client.model.users import UserGroupHeader, UserProfile

REPO = "https://repo.example.org/repo/v1"


def profile(http, number, name="alice"):
    return http.get(f"{REPO}/userProfile/{number}", json={"ownerId": number, "userName": name})


def headers(http, prefix, *hits):
    for offset, page in [(0, hits), (len(hits), ())]:
        query = f"prefix={prefix}&limit=20&offset={offset}"
        http.get(f"{REPO}/userGroupHeaders?{query}", json={"results": list(page)})
        if not hits:
            return


def hit(number, name, person=True):
    return {"ownerId": number, "userName": name, "isIndividual": person}


class Member:
    member = UserGroupHeader(ownerId="5")


@pytest.mark.parametrize(
    "who",
    [
        5,
        "5",
        " 5 ",
        UserProfile(ownerId="5"),
        {"ownerId": 5},
        Member(),
        {"member": {"ownerId": 5}},
    ],
)
def test_profile_by_number_or_object(syn, http, who):
    profile(http, "5")
    found = syn.getUserProfile(who)
    assert isinstance(found, UserProfile)
    assert found.userName == "alice"


def test_profile_of_the_caller(syn, http):
    http.get(f"{REPO}/userProfile/", json={"ownerId": "1", "userName": "me"})
    assert syn.getUserProfile()["userName"] == "me"


def test_profile_by_name_with_one_match(syn, http):
    headers(http, "ali", hit("5", "alice"))
    profile(http, "5")
    assert syn.getUserProfile("ali")["ownerId"] == "5"


def test_team_is_not_a_user(syn, http):
    headers(http, "ali", hit("4", "alignment team", person=False))
    with pytest.raises(ValueError, match='Can\'t find user "ali"'):
        syn.getUserProfile("ali")


def test_teams_are_ignored_in_matches(syn, http):
    headers(http, "ali", hit("4", "alignment team", person=False), hit("5", "alice"))
    profile(http, "5")
    assert syn.getUserProfile("ali")["ownerId"] == "5"


def test_exact_name_is_selected_among_several_matches(syn, http):
    headers(http, "Alice", hit("6", "alice2"), hit("5", "alice"))
    profile(http, "5")
    assert syn.getUserProfile("Alice")["ownerId"] == "5"


def test_several_matches_without_exact_name_raise(syn, http):
    headers(http, "ali", hit("6", "alice2"), hit("5", "alice"))
    with pytest.raises(ValueError, match='Can\'t find user "ali"'):
        syn.getUserProfile("ali")


def test_unknown_name_raises(syn, http):
    headers(http, "x%26y")
    with pytest.raises(ValueError, match="Can't find user"):
        syn.getUserProfile("x&y")


@pytest.mark.parametrize("who", ["", "  ", {}, {"member": {}}])
def test_invalid_user_raises(syn, http, who):
    with pytest.raises(ValueError, match="is not a user"):
        syn.getUserProfile(who)
    assert len(http.calls) == 0


def test_unknown_number_raises(syn, http):
    http.get(f"{REPO}/userProfile/9", status=404, json={"reason": "UserProfile 9 not found"})
    with pytest.raises(SynapseNotFoundError):
        syn.getUserProfile(9)


def test_profiles_are_cached_until_refresh_or_logout(make, http):
    response = profile(http, "5")
    one, other = make("token-of-alice-000"), make("token-of-bob-0000")
    one.getUserProfile(5)
    one.getUserProfile("5")
    assert response.call_count == 1
    other.getUserProfile(5)
    assert response.call_count == 2
    one.getUserProfile(5, refresh=True)
    assert response.call_count == 3
    one.logout()
    one.getUserProfile(5)
    assert response.call_count == 4


def test_cached_profile_is_not_changed_by_the_caller(syn, http):
    profile(http, "5")
    syn.getUserProfile(5)["userName"] = "mallory"
    assert syn.getUserProfile(5)["userName"] == "alice"


def test_session_token_is_used_for_the_profile(syn, http):
    response = profile(http, "5")
    body = base64.urlsafe_b64encode(b'{"access": {"scope": ["view"]}}').decode().rstrip("=")
    token = f"eyJh.{body}.sig"
    with pytest.warns(DeprecationWarning, match="sessionToken"):
        assert syn.getUserProfile(5, sessionToken=token)["ownerId"] == "5"
    assert http.calls[0].request.headers["Authorization"] == f"Bearer {token}"
    syn.getUserProfile(5)
    assert response.call_count == 2


def test_session_token_of_an_older_service_is_sent_in_its_header(syn, http):
    profile(http, "5")
    with pytest.warns(DeprecationWarning, match="sessionToken"):
        assert syn.getUserProfile(5, sessionToken="0b1c-session")["ownerId"] == "5"
    headers = http.calls[0].request.headers
    assert headers["sessionToken"] == "0b1c-session"
    assert "Authorization" not in headers


def test_ignored_session_token_raises(syn, http):
    http.get(f"{REPO}/userProfile/", json={"ownerId": "273950", "userName": "anonymous"})
    with (
        pytest.warns(DeprecationWarning, match="sessionToken"),
        pytest.raises(SynapseAuthenticationError, match=r"a session token .*ignores it"),
    ):
        syn.getUserProfile(sessionToken="0b1c-session")


@pytest.mark.parametrize(
    ("record", "certified"),
    [
        ({"passed": True, "certified": True}, True),
        ({"passed": True, "certified": False, "revoked": True}, False),
        ({"passed": True}, True),
        ({"passed": False}, False),
        ({}, False),
    ],
)
def test_is_certified(syn, http, record, certified):
    profile(http, "5")
    http.get(f"{REPO}/user/5/certifiedUserPassingRecord", json=record)
    assert syn.is_certified("5") is certified


def test_user_without_quiz_is_not_certified(syn, http):
    profile(http, "5")
    http.get(f"{REPO}/user/5/certifiedUserPassingRecord", status=404, json={"reason": "none"})
    assert syn.is_certified(5) is False


def test_is_certified_raises_for_an_unknown_user(syn, http):
    http.get(f"{REPO}/userProfile/9", status=404, json={"reason": "no"})
    with pytest.raises(SynapseNotFoundError):
        syn.is_certified(9)


def test_reply_of_a_value_returns_the_value():
    assert Reply.of({"a": [1]}, 201).value == {"a": [1]}

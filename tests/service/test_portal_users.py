"""Pages of users and teams in the portal, and what they keep private."""

from uuid import uuid4

import pytest
from support.portal import Visitor

from synapse_workflows import Evaluation, File, Project, Team
from synapse_workflows.local.domain.portal.entity_page import PAGE_SIZE

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def syn(socket_service):
    return socket_service.client("alice")


@pytest.fixture(scope="module")
def profile(syn):
    return syn.getUserProfile()


@pytest.fixture(scope="module")
def team(syn):
    return syn.store(Team(name=f"Team {uuid4()} {SCRIPT}", description=f"All & {SCRIPT}"))


@pytest.fixture(params=["alice", "bob", None])
def visitor(request, socket_service):
    return Visitor(socket_service, request.param)


def test_page_of_a_user_shows_public_data_to_everyone(visitor, syn, team, profile):
    own = syn.restGET("/userProfile")
    changed = {
        "firstName": "Alice & co",
        "summary": SCRIPT,
        "url": "javascript:alert(1)",
        "preferences": [],
        "notificationSettings": {"sendEmailNotifications": True},
        "rStudioUrl": "https://private.example.org/",
    }
    syn.restPUT("/userProfile", {**own, **changed})
    for path in (f"/Profile:{profile.ownerId}", f"//Profile:{profile.ownerId}/projects"):
        response = visitor.get(path)
        assert response.status_code == 200
        assert "Alice &amp; co" in response.text
        assert f'<a href="/Team:{team.id}">' in response.text
        assert SCRIPT not in response.text
        assert 'href="javascript' not in response.text
        for private in (own["email"], "@", "private.example.org", own["etag"]):
            assert private not in response.text


def test_page_of_a_team_shows_its_members_to_everyone(visitor, team, profile):
    for path in (f"/Team:{team.id}", f"//Team:{team.id}/"):
        response = visitor.get(path)
        assert response.status_code == 200
        assert f'<a href="/Profile:{profile.ownerId}">alice</a> (administrator)' in response.text
        assert SCRIPT not in response.text
        assert "@" not in response.text


def test_own_page_needs_a_session(socket_service):
    assert "alice" in Visitor(socket_service, "alice").read("/Profile:v")
    assert Visitor(socket_service, None).get("/Profile:v").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "Profile:999",
        "Profile:",
        "Profile:x",
        "Profile:-1",
        "Team:1",
        "Team:",
        "Team:syn1",
        f"Team:{2**64}",
    ],
)
def test_missing_users_and_teams_are_pages(visitor, path, profile, team):
    assert visitor.get(f"/{path}").status_code == 404


def test_a_user_is_no_team_and_a_team_is_no_user(visitor, profile, team):
    assert visitor.get(f"/Team:{profile.ownerId}").status_code == 404
    assert visitor.get(f"/Profile:{team.id}").status_code == 404


def test_pages_link_to_users(socket_service, syn, profile, tmp_path):
    alice = Visitor(socket_service, "alice")
    project = syn.store(Project(f"Users {uuid4()}"))
    (tmp_path / "a.txt").write_text("a")
    file = syn.store(File(str(tmp_path / "a.txt"), parent=project))
    evaluation = syn.store(Evaluation(name=f"Users {uuid4()}", contentSource=project.id))
    syn.submit(evaluation, file)
    for path in (f"/Synapse:{file.id}", f"/Evaluation:{evaluation.id}"):
        assert f'<a href="/Profile:{profile.ownerId}">alice</a>' in alice.get(path).text


def test_teams_and_members_are_shown_in_pages(socket_service, syn, profile, team):
    alice = Visitor(socket_service, "alice")
    user = f"/Profile:{profile.ownerId}"
    for number in range(PAGE_SIZE):
        syn.store(Team(name=f"Page {number} {uuid4()}"))
    assert f'href="?teams={PAGE_SIZE}#teams"' in alice.get(user).text
    assert 'href="?teams=0#teams"' in alice.get(f"{user}?teams={PAGE_SIZE}").text
    assert ">alice</a> (administrator)" not in alice.get(f"/Team:{team.id}?members=1").text

"""Users, tokens, teams and messages that cases name."""

from support import team_api
from support.entity_api import REPO, unique_name
from support.file_api import ok
from support.route_world import COLUMN_REQUESTS, maker


@maker
def view_token(world):
    return world.alice.create_token(scope=["view"])


@maker
def no_scope_token(world):
    return world.alice.create_token(scope=["openid"])


@maker
def all_scopes_token(world):
    return world.alice.create_token()


@maker
def session_token(world):
    login = {"email": "eve", "password": "pw"}
    return ok(world.alice.post("/auth/v1/session", login))["sessionToken"]


@maker
def token_id(world):
    name = unique_name("token")
    world.alice.create_token(name=name)
    records = ok(world.alice.get("/auth/v1/personalAccessToken"))["results"]
    return next(record["id"] for record in records if record["name"] == name)


@maker
def used_token_name(world):
    name = unique_name("token")
    world.alice.create_token(name=name)
    return name


@maker
def invalid_token(_world):
    return "no.such.token"


@maker
def team(world):
    return team_api.create_team(world.alice)["id"]


@maker
def team_name(world):
    return ok(world.alice.get(f"{REPO}/team/{world.get('team')}"))["name"]


@maker
def team_of_dave(world):
    return team_api.create_team(world.user("dave"))["id"]


@maker
def open_team(world):
    return team_api.create_team(world.alice, canPublicJoin=True)["id"]


@maker
def team_of_bob(world):
    """A team that bob created and alice has joined."""
    created = team_api.create_team(world.bob, canPublicJoin=True)["id"]
    assert team_api.join(world.alice, created).status_code == 204
    return created


@maker
def invitation(world):
    body = {"teamId": world.get("team"), "inviteeId": str(world.bob.id)}
    return ok(world.alice.post(f"{REPO}/membershipInvitation", body))["id"]


@maker
def message(world):
    body = {"recipients": [str(world.bob.id)], "fileHandleId": world.get("stored_handle")}
    return ok(world.alice.post(f"{REPO}/message", body))["id"]


@maker
def busy_sender(world):
    """A token of carol, who has sent as many messages as a user may send."""
    carol = world.user("carol")
    body = {"recipients": [str(world.bob.id)], "fileHandleId": carol.upload(b"text")}
    for _ in range(10):
        ok(carol.post(f"{REPO}/message", body))
    return carol.create_token()


@maker
def busy_reader(world):
    """A token of carol, who has read the columns of a table as often as a user may."""
    carol, table = world.user("carol"), world.get("shared_table")
    for _ in range(COLUMN_REQUESTS):
        ok(carol.get(f"{REPO}/entity/{table}/column"))
    return carol.create_token()

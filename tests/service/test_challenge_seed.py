"""The seed `challenge`: a queue with a gold standard and twenty submissions."""

import csv
import io
import time
from collections import Counter

import pytest
import requests
from support.entity_api import REPO
from support.file_api import RestUser, ok

from synapse_workflows.local.seed import add_seed_users, seed_app, seed_data_dir
from synapse_workflows.local.seeder import SeedError
from synapse_workflows.local.server import LocalService
from synapse_workflows.local.settings import DEFAULT_USERS, UserSeed

USERS = add_seed_users(DEFAULT_USERS, ["challenge"])

#: IDs in an empty service that is seeded with `demo` and `challenge`; the example contains them.
IDS = {
    "challenge_project": "syn10000008",
    "challenge_goldstandard": "syn10000009",
    "challenge_results": "syn10000010",
    "challenge_queue": "9600001",
    "challenge_team": "3300007",
}


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    with LocalService(tmp_path_factory.mktemp("challenge"), users=USERS) as service:
        yield service, service.seed("demo", "challenge")


@pytest.fixture(scope="module")
def alice(seeded):
    service, _ = seeded
    with requests.Session() as session:
        yield RestUser(session, service.base_url, service.token("alice"))


@pytest.fixture(scope="module")
def bundles(alice):
    path = f"{REPO}/evaluation/{IDS['challenge_queue']}/submission/bundle/all?limit=100"
    return ok(alice.get(path))["results"]


def test_ids_are_those_of_the_example(seeded):
    _, ids = seeded
    assert {key: ids[key] for key in IDS} == IDS
    assert ids["data"] == "syn10000003"


def test_twenty_submissions_of_two_users_and_a_team_wait_in_the_queue(bundles, seeded):
    service, _ = seeded
    names = {user.owner_id: name for name, user in service.users.items()}
    assert {one["submissionStatus"]["status"] for one in bundles} == {"RECEIVED"}
    submitters = Counter(
        (names[int(one["submission"]["userId"])], one["submission"].get("teamId"))
        for one in bundles
    )
    assert submitters == {("bob", None): 8, ("carol", None): 6, ("erin", IDS["challenge_team"]): 6}
    team = next(one["submission"] for one in bundles if one["submission"].get("teamId"))
    contributors = {names[int(one["principalId"])] for one in team["contributors"]}
    assert contributors == {"erin", "frank"}


def test_one_submission_is_cancelled_by_its_submitter(bundles):
    cancelled = [one for one in bundles if one["submissionStatus"].get("cancelRequested")]
    assert [one["submission"]["name"] for one in cancelled] == ["predictions_16.csv"]


def test_the_last_submission_is_later_than_the_round_of_the_quota(alice, bundles):
    evaluation = ok(alice.get(f"{REPO}/evaluation/{IDS['challenge_queue']}"))
    quota = evaluation["quota"]
    assert (quota["submissionLimit"], quota["numberOfRounds"]) == (7, 1)
    start = time.strptime(quota["firstRoundStart"][:19], "%Y-%m-%dT%H:%M:%S")
    assert quota["roundDurationMillis"] == 28 * 24 * 3600 * 1000
    assert start < time.gmtime()
    dates = [one["submission"]["createdOn"] for one in bundles]
    assert dates == sorted(dates)
    assert dates[-2] < dates[-1]
    assert dates[-1][10:] == quota["firstRoundStart"][10:]


def test_the_queue_accepts_no_more_submissions(seeded, alice, bundles):
    service, _ = seeded
    with requests.Session() as session:
        bob = RestUser(session, service.base_url, service.token("bob"))
        entity_id = bundles[0]["submission"]["entityId"]
        entity = ok(bob.get(f"{REPO}/entity/{entity_id}"))
        body = {
            "evaluationId": IDS["challenge_queue"],
            "entityId": entity_id,
            "versionNumber": 1,
        }
        refused = bob.post(f"{REPO}/evaluation/submission?etag={entity['etag']}", body)
    assert refused.status_code == 403
    assert "outside of the time range" in refused.json()["reason"]


def test_the_gold_standard_has_every_fifth_patient(alice):
    path = f"{REPO}/entity/{IDS['challenge_goldstandard']}/file?redirect=false"
    text = requests.get(alice.get(path).text, timeout=10).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["id"] for row in rows] == [str(number) for number in range(5, 570, 5)]
    assert {row["diagnosis"] for row in rows} == {"benign", "malignant"}


def test_seeding_again_changes_nothing(seeded, alice, bundles):
    service, ids = seeded
    assert service.seed("challenge") == IDS
    path = f"{REPO}/evaluation/{ids['challenge_queue']}/submission/bundle/all?limit=100"
    assert ok(alice.get(path))["results"] == bundles


def test_an_interrupted_seed_is_completed(tmp_path):
    """The first requests of eleven submissions succeed; a second start creates what is missing."""
    with LocalService(tmp_path, users=USERS) as service:
        asked = 0

        async def app(scope, receive, send):
            nonlocal asked
            asked += scope["path"].endswith("/evaluation/submission")
            if asked > 11:
                raise ConnectionError
            await service.app(scope, receive, send)

        app.state = service.app.state
        with pytest.raises(requests.ConnectionError):
            seed_app(app, "challenge")
        queue = service.seed("challenge")["challenge_queue"]
        with requests.Session() as session:
            alice = RestUser(session, service.base_url, service.token("alice"))
            assert ok(alice.get(f"{REPO}/evaluation/{queue}/submission/count")) == 20


def test_too_few_users_are_an_error(tmp_path):
    users = (UserSeed(user_name="root", admin=True), UserSeed(user_name="eve"))
    with (
        LocalService(tmp_path, users=users) as service,
        pytest.raises(SeedError, match="four certified users besides eve, and the service has 0"),
    ):
        service.seed("challenge")


def test_the_further_users_are_added_once():
    assert [user.user_name for user in USERS[-2:]] == ["erin", "frank"]
    assert add_seed_users(USERS, ["challenge"]) == USERS
    assert add_seed_users(DEFAULT_USERS, ["demo"]) == DEFAULT_USERS


def test_a_stopped_service_is_seeded_with_the_users(tmp_path):
    ids = seed_data_dir(tmp_path, "demo", "challenge")
    assert {key: ids[key] for key in IDS} == IDS

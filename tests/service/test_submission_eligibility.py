"""Eligibility of teams, their members and individuals, and submissions of teams."""

import pytest
from support import team_api
from support.concurrent_requests import run_at_once
from support.entity_api import REPO, Author
from support.evaluation_api import EVALUATION, SUBMISSION, Submitter, timestamp
from support.file_api import assert_error, ok, start_service
from support.table_api import TableClient

from synapse_workflows.constants import SUBMISSION_VIEW

HOUR = 3600
CHANGED = "Submissions or Team composition have changed.  Please try again."
INVALID_FORM = "Submission is neither a valid Team or Individual Submission."


@pytest.fixture(scope="module")
def rest_service(tmp_path_factory, recording):
    with start_service(tmp_path_factory.mktemp("eligibility"), recording) as rest_service:
        yield rest_service


@pytest.fixture(scope="module")
def alice(rest_service):
    return Submitter(Author(rest_service, "alice"))


@pytest.fixture(scope="module")
def bob(rest_service):
    return Submitter(Author(rest_service, "bob"))


@pytest.fixture(scope="module")
def carol(rest_service):
    return Submitter(Author(rest_service, "carol"))


@pytest.fixture(scope="module")
def project(alice):
    """A project that all users can read."""
    created = alice.author.new_project()
    alice.author.share(created["id"], {273949: ["READ"]})
    return alice.author.entity(created["id"])


@pytest.fixture
def queue(alice, project):
    """An evaluation without limit to which Bob and Carol can submit."""
    return make_queue(alice, project)


def make_queue(alice, project, **quota):
    queue = alice.create_evaluation(project["id"], **({"quota": quota} if quota else {}))["id"]
    alice.share(queue, {3300002: ["READ", "SUBMIT"], 3300003: ["READ", "SUBMIT"]})
    return queue


@pytest.fixture
def team(bob, carol):
    """A team of Bob and Carol."""
    return make_team(bob, carol)


def make_team(owner, *others):
    team = team_api.create_team(owner.author, canPublicJoin=True)["id"]
    for each in others:
        join(each, team)
    return team


def join(user, team):
    assert team_api.join(user.author, team).status_code == 204


def leave(user, team):
    assert team_api.leave(user.author, team).status_code == 204


def get_response(user, queue, team):
    return user.author.get(f"{EVALUATION}/{queue}/team/{team}/submissionEligibility")


def get_eligibility(user, queue, team):
    return ok(get_response(user, queue, team))


def get_member(eligibility, user):
    """Return the eligibility of a member without its constant properties."""
    (found,) = [
        each for each in eligibility["membersEligibility"] if each["principalId"] == user.author.id
    ]
    return {key: value for key, value in found.items() if key != "principalId"}


def try_submit(user, queue, project, team, *contributors, hash_of=None, **more):
    """Submit for a team, with the current hash or that of `hash_of`."""
    eligibility = hash_of or get_eligibility(user, queue, team)
    query = f"&submissionEligibilityHash={eligibility['eligibilityStateHash']}"
    named = [{"principalId": each.author.id} for each in contributors]
    return user.try_submit(queue, project, query, teamId=team, contributors=named, **more)


def submit(*arguments, **options):
    return ok(try_submit(*arguments, **options))


FREE = {"isEligible": True, "isQuotaFilled": False, "hasConflictingSubmission": False}
CONFLICT = {"isEligible": False, "isQuotaFilled": False, "hasConflictingSubmission": True}
FILLED = {"isEligible": False, "isQuotaFilled": True, "hasConflictingSubmission": False}


def test_all_users_are_eligible_without_submissions(bob, carol, queue, team):
    eligibility = get_eligibility(bob, queue, team)
    assert 0 < eligibility.pop("eligibilityStateHash") <= 2**48
    assert eligibility == {
        "teamId": team,
        "evaluationId": queue,
        "teamEligibility": {"isEligible": True, "isQuotaFilled": False},
        "membersEligibility": [
            {"principalId": bob.author.id, **FREE},
            {"principalId": carol.author.id, **FREE},
        ],
    }
    assert get_eligibility(carol, queue, team)["membersEligibility"]


def test_eligibility_requires_submit_and_membership(alice, bob, carol, project, team):
    queue = alice.create_evaluation(project["id"])["id"]
    assert_error(get_response(bob, queue, team), 403, "You lack SUBMIT access")
    assert_error(get_response(alice, queue, team), 403, f"not a member of the team {team}")
    alice.share(queue, {bob.author.id: ["SUBMIT"]})
    leave(carol, team)
    assert len(get_eligibility(bob, queue, team)["membersEligibility"]) == 1


@pytest.mark.parametrize("principal", ["3399999", "3300001", "3", "273948", "2"])
def test_principal_that_is_not_a_team_returns_404(bob, queue, project, principal):
    assert_error(get_response(bob, queue, principal), 404, principal)
    hash_query = "&submissionEligibilityHash=7"
    response = bob.try_submit(queue, project, hash_query, teamId=principal)
    assert_error(response, 404, principal)


def test_eligibility_of_unknown_evaluation_or_invalid_id_is_an_error(bob, queue, team):
    assert_error(get_response(bob, "9699999", team), 404, "9699999")
    assert_error(get_response(bob, queue, "nonsense"), 400, "teamId")


def test_submission_names_the_team_and_its_contributors(
    rest_service, bob, carol, queue, project, team
):
    created = submit(bob, queue, project, team, carol, submitterAlias="the ants")
    contributors = created.pop("contributors")
    assert sorted(each["principalId"] for each in contributors) == ["3300002", "3300003"]
    assert {each["createdOn"] for each in contributors} == {timestamp(rest_service)}
    assert created["teamId"] == team
    assert created["userId"] == str(bob.author.id)
    assert created["submitterAlias"] == "the ants"
    assert "submissionEligibilityHash" not in created


def test_submitter_is_added_to_the_contributors(bob, carol, queue, project, team):
    def get_contributors(created):
        return [each["principalId"] for each in created["contributors"]]

    assert get_contributors(submit(bob, queue, project, team)) == ["3300002"]
    twice = submit(bob, queue, project, team, carol, carol, bob)
    assert sorted(get_contributors(twice)) == ["3300002", "3300003"]


def test_team_submission_is_listed_for_the_submitter_only(alice, bob, carol, queue, project, team):
    created = submit(bob, queue, project, team, carol)
    assert [each["id"] for each in bob.list(queue, "submission")] == [created["id"]]
    assert carol.list(queue, "submission") == []
    (bundle,) = alice.list(queue, "submission/bundle/all")
    assert bundle["submission"] == created
    assert_error(carol.author.put(f"{SUBMISSION}/{created['id']}/cancellation"), 403, "submitter")


def test_team_and_hash_are_required_together(bob, carol, queue, project, team):
    eligibility = get_eligibility(bob, queue, team)
    hash_query = f"&submissionEligibilityHash={eligibility['eligibilityStateHash']}"
    assert_error(bob.try_submit(queue, project, teamId=team), 400, INVALID_FORM)
    assert_error(bob.try_submit(queue, project, hash_query), 400, INVALID_FORM)
    others = [{"principalId": carol.author.id}]
    assert_error(bob.try_submit(queue, project, contributors=others), 400, INVALID_FORM)
    response = bob.try_submit(queue, project, "&submissionEligibilityHash=x", teamId=team)
    assert_error(response, 400, "submissionEligibilityHash")
    assert_error(bob.try_submit(queue, project, hash_query, teamId="x"), 400, "teamId")


def test_contributors_must_be_members(alice, bob, carol, queue, project, team):
    response = try_submit(bob, queue, project, team, alice)
    assert_error(
        response, 403, f"Contributor {alice.author.id} is not a member of the team {team}"
    )
    hash_of = get_eligibility(bob, queue, team)
    response = try_submit(alice, queue, project, team, bob, hash_of=hash_of)
    assert_error(response, 403, f"Contributor {alice.author.id} is not a member")
    leave(carol, team)
    assert_error(try_submit(bob, queue, project, team, carol), 403, "is not a member of the team")


def test_change_of_the_members_changes_the_hash(alice, bob, carol, queue, project, team):
    before = get_eligibility(bob, queue, team)
    leave(carol, team)
    after = get_eligibility(bob, queue, team)
    assert after["eligibilityStateHash"] != before["eligibilityStateHash"]
    response = try_submit(bob, queue, project, team, hash_of=before)
    assert_error(response, 403, CHANGED)
    join(carol, team)
    assert get_eligibility(bob, queue, team) == before
    submit(bob, queue, project, team, carol, hash_of=before)


def test_submissions_change_the_hash(alice, bob, carol, queue, project, team):
    states = [get_eligibility(bob, queue, team)]
    created = submit(bob, queue, project, team)["id"]
    states.append(get_eligibility(bob, queue, team))
    assert_error(try_submit(bob, queue, project, team, hash_of=states[0]), 403, CHANGED)
    carol.submit(queue, project)
    states.append(get_eligibility(bob, queue, team))
    alice.update_status(created, status="INVALID")
    states.append(get_eligibility(bob, queue, team))
    alice.submit(queue, project)
    assert get_eligibility(bob, queue, team) == states[3]
    assert len({each["eligibilityStateHash"] for each in states}) == len(states)


def test_member_who_submitted_alone_has_a_conflict(alice, bob, carol, queue, project, team):
    alone = carol.submit(queue, project)["id"]
    eligibility = get_eligibility(bob, queue, team)
    assert eligibility["teamEligibility"]["isEligible"]
    assert get_member(eligibility, bob) == FREE
    assert get_member(eligibility, carol) == CONFLICT
    assert_error(try_submit(bob, queue, project, team, carol), 403, "as an individual or with")
    assert_error(try_submit(carol, queue, project, team), 403, "as an individual or with")
    submit(bob, queue, project, team)
    alice.update_status(alone, status="REJECTED")
    assert get_member(get_eligibility(bob, queue, team), carol) == FREE
    submit(bob, queue, project, team, carol)


def test_member_who_submitted_with_another_team_has_a_conflict(bob, carol, queue, project, team):
    other = make_team(carol, bob)
    submit(carol, queue, project, other)
    assert get_member(get_eligibility(bob, queue, team), carol) == CONFLICT
    assert get_member(get_eligibility(bob, queue, other), carol) == FREE
    submit(bob, queue, project, team)
    assert get_member(get_eligibility(carol, queue, other), bob) == CONFLICT
    assert_error(try_submit(carol, queue, project, team), 403, "or with another team")


def test_contributor_to_a_team_cannot_submit_alone(alice, bob, carol, queue, project, team):
    created = submit(bob, queue, project, team, carol)["id"]
    for each in (bob, carol):
        response = each.try_submit(queue, project)
        assert_error(response, 403, "may not submit as an individual")
    alice.update_status(created, status="INVALID")
    carol.submit(queue, project)


def test_limit_applies_to_the_team_and_to_each_member(alice, bob, carol, project, team):
    queue = make_queue(alice, project, submissionLimit=2)
    first = submit(bob, queue, project, team)["id"]
    submit(bob, queue, project, team, carol)
    eligibility = get_eligibility(bob, queue, team)
    assert eligibility["teamEligibility"] == {"isEligible": False, "isQuotaFilled": True}
    assert get_member(eligibility, bob) == FILLED
    assert get_member(eligibility, carol) == FREE
    assert_error(try_submit(carol, queue, project, team), 403, "limit of 2 submissions")
    alice.update_status(first, status="INVALID")
    assert get_member(get_eligibility(bob, queue, team), bob) == FREE
    submit(bob, queue, project, team, carol)


def test_member_with_filled_quota_cannot_contribute(alice, bob, carol, project, team):
    """The limit of the team is open again, but not that of the member."""
    queue = make_queue(alice, project, submissionLimit=1)
    submit(bob, queue, project, team)
    other = make_team(carol, bob)
    eligibility = get_eligibility(carol, queue, other)
    assert eligibility["teamEligibility"]["isEligible"]
    assert get_member(eligibility, bob) == {**FILLED, "hasConflictingSubmission": True}
    submit(carol, queue, project, other)


def test_limit_of_individuals_is_independent_of_that_of_teams(alice, bob, carol, project):
    queue = make_queue(alice, project, submissionLimit=1)
    bob.submit(queue, project)
    carol.submit(queue, project)
    assert_error(bob.try_submit(queue, project), 403, "limit of 1 submissions")
    team = make_team(bob, carol)
    eligibility = get_eligibility(bob, queue, team)
    assert eligibility["teamEligibility"] == {"isEligible": True, "isQuotaFilled": False}
    filled = {**FILLED, "hasConflictingSubmission": True}
    assert get_member(eligibility, bob) == get_member(eligibility, carol) == filled


def test_eligibility_is_that_of_the_current_round(rest_service, alice, bob, carol, project, team):
    queue = make_queue(
        alice,
        project,
        firstRoundStart=timestamp(rest_service, HOUR),
        roundDurationMillis=HOUR * 1000,
        numberOfRounds=2,
        submissionLimit=1,
    )
    closed = "outside of the time range"
    assert_error(get_response(bob, queue, team), 400, closed)
    rest_service.clock.advance(HOUR)
    before = get_eligibility(bob, queue, team)
    first = submit(bob, queue, project, team)
    carol.submit(queue, project)
    assert not get_eligibility(bob, queue, team)["teamEligibility"]["isEligible"]
    rest_service.clock.advance(HOUR)
    eligibility = get_eligibility(bob, queue, team)
    assert eligibility["eligibilityStateHash"] != before["eligibilityStateHash"]
    assert eligibility["membersEligibility"] == before["membersEligibility"]
    second = submit(bob, queue, project, team, carol)
    assert second["evaluationRoundId"] != first["evaluationRoundId"]
    current = get_eligibility(bob, queue, team)
    rest_service.clock.advance(HOUR)
    assert_error(get_response(bob, queue, team), 400, closed)
    assert_error(try_submit(bob, queue, project, team, hash_of=current), 403, closed)


def test_deleted_submission_frees_its_place(alice, bob, carol, project, team):
    queue = make_queue(alice, project, submissionLimit=1)
    created = submit(bob, queue, project, team, carol)["id"]
    assert alice.author.delete(f"{SUBMISSION}/{created}").status_code == 204
    carol.submit(queue, project)
    submit(bob, queue, project, team)
    assert alice.author.delete(f"{EVALUATION}/{queue}").status_code == 204


def test_submission_view_shows_team_as_the_submitter(alice, bob, queue, project, team):
    submit(bob, queue, project, team, submitterAlias="the ants")
    defaults = f"{REPO}/column/tableview/defaults?viewEntityType=submissionview"
    columns = [each["id"] for each in ok(alice.author.get(defaults))["list"]]
    body = {"scopeIds": [queue], "columnIds": columns}
    view = alice.author.make(SUBMISSION_VIEW, project["id"], **body)["id"]
    sql = f"select createdBy, submitterid, submitteralias from {view}"
    (row,) = TableClient(alice.author).row_set(sql)["rows"]
    assert row["values"] == [str(bob.author.id), team, "the ants"]


def test_last_place_of_a_team_is_taken_once(alice, bob, carol, project, team):
    queue = make_queue(alice, project, submissionLimit=1)
    hash_of = get_eligibility(bob, queue, team)
    responses = run_at_once(
        *(
            lambda user=user: try_submit(user, queue, project, team, hash_of=hash_of)
            for user in (bob, carol) * 3
        )
    )
    assert sorted(each.status_code for each in responses) == [201] + [403] * 5
    assert alice.count(queue) == 1


@pytest.mark.parametrize("_attempt", range(5))
def test_leaving_member_contributes_or_the_hash_is_stale(bob, carol, queue, project, _attempt):
    team = make_team(bob, carol)
    hash_of = get_eligibility(bob, queue, team)
    response, _ = run_at_once(
        lambda: try_submit(bob, queue, project, team, carol, hash_of=hash_of),
        lambda: leave(carol, team),
    )
    if response.status_code == 201:
        assert len(response.json()["contributors"]) == 2
    else:
        assert_error(response, 403, CHANGED)


def test_individual_and_team_submission_at_once_exclude_each_other(alice, bob, carol, project):
    for _ in range(5):
        queue, team = make_queue(alice, project), make_team(bob, carol)
        hash_of = get_eligibility(bob, queue, team)
        of_team, alone = run_at_once(
            lambda queue=queue, team=team, hash_of=hash_of: try_submit(
                bob, queue, project, team, carol, hash_of=hash_of
            ),
            lambda queue=queue: carol.try_submit(queue, project),
        )
        assert {of_team.status_code, alone.status_code} == {201, 403}
        assert alice.count(queue) == 1

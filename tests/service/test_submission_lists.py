"""Lists of what was submitted: everybody's and one's own, by status, page by page."""

import pytest
from support.evaluation_api import EVALUATION
from support.file_api import assert_error, ok

ALL = ["submission/all", "submission/bundle/all", "submission/status/all"]
OWN = ["submission", "submission/bundle"]


@pytest.fixture(scope="module")
def field(organiser, rival):
    """An evaluation with five submissions, the second and fourth of bob; the last two scored."""
    queue = organiser.evaluation()["id"]
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})
    entries = {who: who.author.new_project() for who in (organiser, rival)}
    turns = (organiser, rival, organiser, rival, organiser)
    made = [who.submit(queue, entries[who])["id"] for who in turns]
    for each in made[3:]:
        organiser.score(each, status="SCORED")
    return queue, made


def ids(found):
    return [(each.get("submission") or each)["id"] for each in found]


@pytest.mark.parametrize("what", ALL)
def test_all_are_listed_in_the_order_they_came(organiser, field, what):
    queue, made = field
    assert ids(organiser.list(queue, what)) == made


@pytest.mark.parametrize("what", ALL)
def test_all_are_listed_by_status(organiser, field, what):
    queue, made = field
    assert ids(organiser.list(queue, what, "?status=SCORED")) == made[3:]
    assert ids(organiser.list(queue, what, "?status=RECEIVED&limit=2&offset=1")) == made[1:3]
    assert organiser.list(queue, what, "?status=INVALID") == []
    answer = organiser.author.get(f"{EVALUATION}/{queue}/{what}?status=DONE")
    assert_error(answer, 400, "DONE")


@pytest.mark.parametrize("what", OWN)
def test_own_ones_take_no_right_and_heed_no_status(organiser, rival, anonymous, field, what):
    queue, made = field
    organiser.share(queue, {rival.author.id: []})
    assert ids(rival.list(queue, what)) == [made[1], made[3]]
    assert ids(rival.list(queue, what, "?status=SCORED")) == [made[1], made[3]]
    assert ids(rival.list(queue, what, "?status=DONE&limit=1&offset=1")) == [made[3]]
    assert ids(organiser.list(queue, what)) == [made[0], made[2], made[4]]
    assert ok(anonymous.get(f"{EVALUATION}/{queue}/{what}"))["results"] == []
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})


@pytest.mark.parametrize("what", ALL)
def test_all_take_the_right_to_read_private_submissions(organiser, rival, field, what):
    queue, made = field
    answer = rival.author.get(f"{EVALUATION}/{queue}/{what}")
    assert_error(
        answer, 403, "You lack READ_PRIVATE_SUBMISSION access to the requested evaluation."
    )
    organiser.share(queue, {rival.author.id: ["READ_PRIVATE_SUBMISSION"]})
    assert ids(rival.list(queue, what)) == made
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})


def test_the_parts_of_a_bundle_are_those_that_are_read_alone(organiser, field):
    queue, made = field
    bundles = organiser.list(queue, "submission/bundle/all")
    assert [each["submission"] for each in bundles] == organiser.list(queue)
    statuses = [each["submissionStatus"] for each in bundles]
    assert statuses == organiser.list(queue, "submission/status/all")
    assert statuses == [organiser.status(each) for each in made]


@pytest.mark.parametrize("what", ALL + OWN)
def test_a_page_holds_up_to_100(organiser, field, what):
    path = f"{EVALUATION}/{field[0]}/{what}"
    for limit in (-1, 101):
        assert_error(organiser.author.get(f"{path}?limit={limit}"), 400,
                "limit must be between 0 and 100")  # fmt: skip
    assert_error(organiser.author.get(f"{path}?offset=-1"), 400)
    assert ok(organiser.author.get(f"{path}?limit=0"))["results"] == []
    beyond = ok(organiser.author.get(f"{path}?limit=100&offset=5"))
    assert beyond["results"] == []


def test_the_total_is_an_estimate(organiser, field):
    path = f"{EVALUATION}/{field[0]}/submission/all"
    totals = [
        ok(organiser.author.get(f"{path}?limit=2&offset={offset}"))["totalNumberOfResults"]
        for offset in (0, 2, 4)
    ]
    assert totals == [3, 5, 5]


def test_they_are_counted(organiser, rival, anonymous, field):
    queue, _ = field
    path = f"{EVALUATION}/{queue}/submission/count"
    assert organiser.author.get(path).text == "5"
    assert ok(organiser.author.get(f"{path}?status=SCORED")) == 2
    assert rival.count(queue) == 5
    assert_error(anonymous.get(path), 403)
    assert_error(organiser.author.get(f"{path}?status=DONE"), 400)


@pytest.mark.parametrize("what", [*ALL, *OWN, "submission/count"])
def test_there_must_be_an_evaluation(organiser, what):
    assert_error(organiser.author.get(f"{EVALUATION}/9699999/{what}"), 404, "9699999")
    assert_error(organiser.author.get(f"{EVALUATION}/nonsense/{what}"), 400, "nonsense")


def test_those_of_other_evaluations_stay_there(organiser, rival):
    queues = [organiser.evaluation()["id"] for _ in range(2)]
    project = organiser.author.new_project()
    made = [organiser.submit(queue, project)["id"] for queue in queues]
    assert [ids(organiser.list(queue)) for queue in queues] == [[made[0]], [made[1]]]

"""Lists and counts of submissions, statuses and bundles."""

import pytest
from support.evaluation_api import EVALUATION
from support.file_api import assert_error, ok

ALL = ["submission/all", "submission/bundle/all", "submission/status/all"]
OWN = ["submission", "submission/bundle"]


@pytest.fixture(scope="module")
def evaluation_with_submissions(organiser, rival):
    """An evaluation with five submissions: two by Bob, the last two scored."""
    queue = organiser.create_evaluation()["id"]
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})
    projects = {submitter: submitter.author.new_project() for submitter in (organiser, rival)}
    submitters = (organiser, rival, organiser, rival, organiser)
    created = [submitter.submit(queue, projects[submitter])["id"] for submitter in submitters]
    for each in created[3:]:
        organiser.update_status(each, status="SCORED")
    return queue, created


def get_ids(results):
    return [(each.get("submission") or each)["id"] for each in results]


@pytest.mark.parametrize("route", ALL)
def test_list_returns_all_submissions_oldest_first(organiser, evaluation_with_submissions, route):
    queue, created = evaluation_with_submissions
    assert get_ids(organiser.list(queue, route)) == created


@pytest.mark.parametrize("route", ALL)
def test_list_filters_by_status(organiser, evaluation_with_submissions, route):
    queue, created = evaluation_with_submissions
    assert get_ids(organiser.list(queue, route, "?status=SCORED")) == created[3:]
    assert (
        get_ids(organiser.list(queue, route, "?status=RECEIVED&limit=2&offset=1")) == created[1:3]
    )
    assert organiser.list(queue, route, "?status=INVALID") == []
    response = organiser.author.get(f"{EVALUATION}/{queue}/{route}?status=DONE")
    assert_error(response, 400, "DONE")


@pytest.mark.parametrize("route", OWN)
def test_list_of_own_submissions_requires_no_right_and_ignores_status(
    organiser, rival, anonymous, evaluation_with_submissions, route
):
    queue, created = evaluation_with_submissions
    organiser.share(queue, {rival.author.id: []})
    assert get_ids(rival.list(queue, route)) == [created[1], created[3]]
    assert get_ids(rival.list(queue, route, "?status=SCORED")) == [created[1], created[3]]
    assert get_ids(rival.list(queue, route, "?status=DONE&limit=1&offset=1")) == [created[3]]
    assert get_ids(organiser.list(queue, route)) == [created[0], created[2], created[4]]
    assert ok(anonymous.get(f"{EVALUATION}/{queue}/{route}"))["results"] == []
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})


@pytest.mark.parametrize("route", ALL)
def test_list_of_all_submissions_requires_read_private_submission(
    organiser, rival, evaluation_with_submissions, route
):
    queue, created = evaluation_with_submissions
    response = rival.author.get(f"{EVALUATION}/{queue}/{route}")
    assert_error(
        response, 403, "You lack READ_PRIVATE_SUBMISSION access to the requested evaluation."
    )
    organiser.share(queue, {rival.author.id: ["READ_PRIVATE_SUBMISSION"]})
    assert get_ids(rival.list(queue, route)) == created
    organiser.share(queue, {rival.author.id: ["READ", "SUBMIT"]})


def test_bundles_consist_of_submissions_and_statuses(organiser, evaluation_with_submissions):
    queue, created = evaluation_with_submissions
    bundles = organiser.list(queue, "submission/bundle/all")
    assert [each["submission"] for each in bundles] == organiser.list(queue)
    statuses = [each["submissionStatus"] for each in bundles]
    assert statuses == organiser.list(queue, "submission/status/all")
    assert statuses == [organiser.get_status(each) for each in created]


@pytest.mark.parametrize("route", ALL + OWN)
def test_page_size_is_limited_to_100(organiser, evaluation_with_submissions, route):
    path = f"{EVALUATION}/{evaluation_with_submissions[0]}/{route}"
    for limit in (-1, 101):
        assert_error(organiser.author.get(f"{path}?limit={limit}"), 400,
                "limit must be between 0 and 100")  # fmt: skip
    assert_error(organiser.author.get(f"{path}?offset=-1"), 400)
    assert ok(organiser.author.get(f"{path}?limit=0"))["results"] == []
    beyond = ok(organiser.author.get(f"{path}?limit=100&offset=5"))
    assert beyond["results"] == []


def test_total_is_an_estimate(organiser, evaluation_with_submissions):
    path = f"{EVALUATION}/{evaluation_with_submissions[0]}/submission/all"
    totals = [
        ok(organiser.author.get(f"{path}?limit=2&offset={offset}"))["totalNumberOfResults"]
        for offset in (0, 2, 4)
    ]
    assert totals == [3, 5, 5]


def test_count_returns_number_of_submissions(
    organiser, rival, anonymous, evaluation_with_submissions
):
    queue, _ = evaluation_with_submissions
    path = f"{EVALUATION}/{queue}/submission/count"
    assert organiser.author.get(path).text == "5"
    assert ok(organiser.author.get(f"{path}?status=SCORED")) == 2
    assert rival.count(queue) == 5
    assert_error(anonymous.get(path), 403)
    assert_error(organiser.author.get(f"{path}?status=DONE"), 400)


@pytest.mark.parametrize("route", [*ALL, *OWN, "submission/count"])
def test_list_of_unknown_evaluation_returns_404(organiser, route):
    assert_error(organiser.author.get(f"{EVALUATION}/9699999/{route}"), 404, "9699999")
    assert_error(organiser.author.get(f"{EVALUATION}/nonsense/{route}"), 400, "nonsense")


def test_list_excludes_submissions_to_other_evaluations(organiser, rival):
    queues = [organiser.create_evaluation()["id"] for _ in range(2)]
    project = organiser.author.new_project()
    created = [organiser.submit(queue, project)["id"] for queue in queues]
    assert [get_ids(organiser.list(queue)) for queue in queues] == [[created[0]], [created[1]]]

"""Tests of the rate limits per user."""

from concurrent.futures import ThreadPoolExecutor

from support.entity_api import REPO, Author
from support.file_api import assert_error, start_service

from synapse_workflows.local.settings import Throttle


def test_default_has_no_rate_limit(ann):
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda _: ann.get(f"{REPO}/userProfile"), range(80))
        assert {each.status_code for each in answers} == {200}


def test_too_many_requests_return_429(tmp_path):
    bounds = Throttle(requests=3, seconds=10)
    with start_service(tmp_path, throttle=bounds) as rest_service:
        ann, ben, anonymous = (
            Author(rest_service, "alice"),
            Author(rest_service, "bob"),
            Author(rest_service, None),
        )
        for _ in range(3):
            assert ann.get(f"{REPO}/userProfile").ok
        answer = ann.get(f"{REPO}/userProfile")
        assert_error(answer, 429, "3")
        assert "Retry-After" not in answer.headers
        assert ann.get("/auth/v1/personalAccessToken").ok
        for person in (ben, anonymous):
            assert person.get(f"{REPO}/userProfile").ok
        rest_service.clock.advance(10)
        assert ann.get(f"{REPO}/userProfile").ok


def test_retry_after_is_the_rest_of_the_time_window(tmp_path):
    bounds = Throttle(requests=2, seconds=10, columns=0, retry_after=True)
    with start_service(tmp_path, throttle=bounds) as rest_service:
        ann = Author(rest_service, "alice")
        answer = ann.get(f"{REPO}/entity/syn1/column")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
        rest_service.clock.advance(3)
        assert ann.get(f"{REPO}/userProfile").ok
        answer = ann.get(f"{REPO}/userProfile")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_too_many_concurrent_requests_return_429(tmp_path):
    with start_service(tmp_path, throttle=Throttle(concurrent=0)) as rest_service:
        assert_error(Author(rest_service, "alice").get(f"{REPO}/userProfile"), 429, "concurrent")
        assert Author(rest_service, None).get(f"{REPO}/userProfile").ok

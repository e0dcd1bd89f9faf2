"""Expiry and renewal of pre-signed URLs."""

import threading
import time

from synapse_workflows.client.transfer import presigned_urls
from synapse_workflows.client.transfer.presigned_urls import PartUrls, RenewableUrl


def signed(seconds: int, name: str = "x") -> str:
    return (
        f"https://s3/{name}?X-Amz-Date=20200101T000000Z&X-Amz-Expires={seconds}&X-Amz-Signature=s"
    )


def test_validity_is_relative_to_now_and_ignores_the_signing_date():
    remaining = presigned_urls.parse_presigned_url(signed(30)).expires_at - time.monotonic()
    assert 24 < remaining <= 25
    assert not presigned_urls.parse_presigned_url(signed(30)).is_expired
    assert presigned_urls.parse_presigned_url(signed(0)).is_expired


def test_url_without_signature_does_not_expire():
    assert presigned_urls.parse_presigned_url("https://example.org/x").expires_at == float("inf")


def test_repr_does_not_contain_the_url():
    assert "Signature" not in repr(presigned_urls.parse_presigned_url(signed(30)))


def test_get_renews_an_expired_url():
    url = RenewableUrl(lambda: signed(30, "second"), signed(0, "first"))
    assert "second" in url.get().url


def test_renew_requests_one_url_for_all_threads():
    requests = []

    def request_url():
        requests.append(1)
        return signed(30, str(len(requests)))

    url = RenewableUrl(request_url, signed(30, "first"))
    old = url.get()
    threads = [threading.Thread(target=url.renew, args=(old,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(requests) == 1
    url.renew(url.get())
    assert len(requests) == 2


class Service:
    """Returns a URL for each requested part, and records the requests."""

    def __init__(self, validity: int = 900):
        self.requests: list[list[int]] = []
        self.validity = validity

    def __call__(self, numbers):
        self.requests.append(numbers)
        return {
            number: presigned_urls.parse_presigned_url(signed(self.validity, str(number)))
            for number in numbers
        }


def test_urls_of_all_parts_are_requested_together():
    service = Service()
    urls = PartUrls(service, range(1, 21))
    for number in range(1, 21):
        assert f"/{number}?" in urls.get(number).url
        urls.complete(number)
    assert service.requests == [list(range(1, 21))]


def test_many_urls_are_requested_in_batches():
    service = Service()
    urls = PartUrls(service, range(1, 601))
    for number in range(1, 601):
        urls.get(number)
        urls.complete(number)
    assert [len(batch) for batch in service.requests] == [250, 250, 100]


def test_invalidate_requests_the_outstanding_urls_again_once():
    service = Service()
    urls = PartUrls(service, range(1, 6))
    first, second = urls.get(1), urls.get(2)
    urls.complete(3)
    urls.invalidate(1, first)
    urls.get(1)
    urls.invalidate(2, second)  # of a batch that is already discarded
    urls.get(2)
    assert service.requests == [[1, 2, 3, 4, 5], [1, 2, 4, 5]]


def test_expired_part_urls_are_requested_again():
    service = Service(validity=0)
    urls = PartUrls(service, [1, 2])
    urls.get(1)
    urls.get(2)
    assert service.requests == [[1, 2], [2, 1]]

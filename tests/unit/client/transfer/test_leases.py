"""URLs that expire."""

import threading
import time

from synapse_workflows.client.transfer import presigned_urls
from synapse_workflows.client.transfer.presigned_urls import Address, PartAddresses


def signed(seconds: int, name: str = "x") -> str:
    return (
        f"https://s3/{name}?X-Amz-Date=20200101T000000Z&X-Amz-Expires={seconds}&X-Amz-Signature=s"
    )


def test_life_is_counted_from_when_the_url_came_whatever_its_date():
    left = presigned_urls.lease(signed(30)).until - time.monotonic()
    assert 24 < left <= 25
    assert not presigned_urls.lease(signed(30)).over
    assert presigned_urls.lease(signed(0)).over


def test_a_plain_url_lives_forever():
    assert presigned_urls.lease("https://example.org/x").until == float("inf")


def test_a_lease_does_not_show_its_url():
    assert "Signature" not in repr(presigned_urls.lease(signed(30)))


def test_a_url_that_is_over_is_asked_for_again():
    address = Address(lambda: signed(30, "second"), signed(0, "first"))
    assert "second" in address.lease().url


def test_a_refused_url_is_asked_for_again_once_for_all_parts():
    asked = []

    def ask():
        asked.append(1)
        return signed(30, str(len(asked)))

    address = Address(ask, signed(30, "first"))
    old = address.lease()
    threads = [threading.Thread(target=address.refused, args=(old,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    address.refused(address.lease())
    assert len(asked) == 2


class Service:
    """Answers with a URL for each part that is asked for."""

    def __init__(self, life: int = 900):
        self.asked: list[list[int]] = []
        self.life = life

    def __call__(self, numbers):
        self.asked.append(numbers)
        return {number: presigned_urls.lease(signed(self.life, str(number))) for number in numbers}


def test_urls_of_parts_are_asked_for_at_once():
    service = Service()
    addresses = PartAddresses(service, range(1, 21))
    for number in range(1, 21):
        assert f"/{number}?" in addresses.lease(number).url
        addresses.done(number)
    assert service.asked == [list(range(1, 21))]


def test_very_many_urls_are_asked_for_in_batches():
    service = Service()
    addresses = PartAddresses(service, range(1, 601))
    for number in range(1, 601):
        addresses.lease(number)
        addresses.done(number)
    assert [len(batch) for batch in service.asked] == [250, 250, 100]


def test_after_a_refusal_those_that_are_left_are_asked_for_again_once():
    service = Service()
    addresses = PartAddresses(service, range(1, 6))
    first, second = addresses.lease(1), addresses.lease(2)
    addresses.done(3)
    addresses.refused(1, first)
    addresses.lease(1)
    addresses.refused(2, second)  # of the batch that is forgotten already
    addresses.lease(2)
    assert service.asked == [[1, 2, 3, 4, 5], [1, 2, 4, 5]]


def test_a_url_whose_time_is_over_is_not_used():
    service = Service(life=0)
    addresses = PartAddresses(service, [1, 2])
    addresses.lease(1)
    addresses.lease(2)
    assert service.asked == [[1, 2], [2, 1]]

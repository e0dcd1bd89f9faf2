"""Versions at the end of URLs."""

import pytest

from synapse_workflows.provenance.object_versions import strip_version
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef

ETAG = "0123456789abcdef" * 2
VERSIONED = UrlRef("s3://b/k?versionId=1")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://b/k?versionId=1", "s3://b/k"),
        (f"s3://b/k#etag={ETAG}-3", "s3://b/k"),
        (f"file:///flow.py#sha256={ETAG * 2}", "file:///flow.py"),
        ("https://host/k#part", "https://host/k#part"),
        ("s3://b/k", "s3://b/k"),
    ],
)
def test_strip_version(url, place):
    assert strip_version(url) == place


@pytest.mark.parametrize("origin", sorted(set(Origin) - {Origin.ANNOUNCED}))  # of files only
def test_a_url_without_version_gives_way_to_the_version(origin):
    read = Record.from_refs(Origin.READ, used=[VERSIONED])
    plain = Record.from_refs(origin, used=[UrlRef("s3://b/k"), UrlRef("s3://b/k2")])
    assert set((read | plain).inputs()) == {VERSIONED, UrlRef("s3://b/k2")}
    assert set((plain | read).inputs()) == {VERSIONED, UrlRef("s3://b/k2")}


def test_versions_that_were_both_read_are_kept():
    refs = [VERSIONED, UrlRef("s3://b/k?versionId=2"), UrlRef(f"s3://b/k#etag={ETAG}")]
    assert Record.from_refs(Origin.READ, used=refs).inputs() == tuple(refs)


def test_read_urls_without_version_are_gaps():
    refs = [VERSIONED, UrlRef("https://host/data.csv"), EntityRef("syn1", 2)]
    record = Record.from_refs(Origin.READ, used=refs)
    assert record.list_gaps() == ("https://host/data.csv has no version",)
    assert Record.from_refs(Origin.DECLARED, used=refs).list_gaps() == ()


def test_urls_of_branches_are_gaps_also_if_they_are_declared():
    branch = UrlRef("https://github.com/org/repo/blob/main/flow.py")
    commit = UrlRef(f"https://github.com/org/repo/blob/{'0a' * 20}/flow.py")
    record = Record.from_refs(Origin.DECLARED, used=[branch], ran=[branch, commit])
    assert record.list_gaps() == (f"{branch.url} has no version",)
    assert Record.from_refs(Origin.CODE, ran=[branch]).list_gaps() == ()  # the collector adds it


def test_listed_urls_without_version_are_limited():
    refs = [UrlRef(f"https://host/{number}") for number in range(1000)]
    gaps = Record.from_refs(Origin.READ, used=refs).list_gaps()
    assert len(gaps) == 21
    assert gaps[0] == "https://host/0 has no version"
    assert gaps[-1] == "980 more URLs have no version"

"""Tests of versions in URLs."""

import time

import pytest
from hypothesis import given, strategies as st

from synapse_workflows.provenance.url_versions import parse_url_version

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "sha256:" + "0f" * 32


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/org/repo/blob/{}/dags/flow.py",
        "https://github.com/org/repo/tree/{}",
        "https://github.com/org/repo/raw/{}/flow.py",
        "https://github.example.org/org/repo/blob/{}/flow.py",
        "https://raw.githubusercontent.com/org/repo/{}/flow.py",
        "https://huggingface.co/org/model/resolve/{}/flow.py",
        "https://huggingface.co/datasets/org/data/blob/{}/flow.py",
        "https://gitlab.com/group/subgroup/repo/-/blob/{}/flow.py",
        "https://gitlab.example.org/group/repo/-/raw/{}/flow.py",
        "https://code.example.org/group/repo/-/blob/{}/flow.py",
        "https://code.example.org/org/repo/blob/{}/flow.py",
        "https://bitbucket.org/org/repo/src/{}/flow.py",
        "https://codeberg.org/org/repo/src/commit/{}/flow.py",
        "https://cdn.jsdelivr.net/gh/org/repo@{}/flow.py",
        "https://github.com/org/repo/archive/{}.zip",
        "https://github.com/org/repo/commit/{}",
        "https://github.com/org/repo@{}",
        "git+https://git.example.org/org/repo.git@{}#dags/flow.py",
        "git+ssh://git.example.org/org/repo@{}#dags/flow.py",
        "HTTPS://GitHub.com/org/repo/blob/{}/flow.py",
    ],
)
def test_commit_is_pinned_in_every_form(url):
    found = parse_url_version(url.format(COMMIT))
    assert (found.version, found.pinning) == (COMMIT, "pinned")
    other = parse_url_version(url.format("fedcba9876543210fedcba9876543210fedcba98"))
    assert (other.base, other.pinning) == (found.base, "pinned")


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/org/repo/blob/main/flow.py",
        "https://github.com/org/repo/blob/master/a/b/flow.py",
        "https://github.com/org/repo/blob/HEAD/flow.py",
        "https://github.com/org/repo/blob/feature/x/flow.py",
        "https://github.com/org/repo/blob/refs/heads/main/flow.py",
        "https://github.com/org/repo/blob/v2/flow.py",
        "https://github.com/org/repo/blob/20240101/flow.py",
        "https://github.com/org/repo/tree/develop",
        "https://github.com/org/repo/raw/main/flow.py",
        "https://github.com/org/repo/releases/latest",
        "https://github.com/org/repo/archive/refs/heads/main.zip",
        "https://github.com/org/repo",
        "https://github.com/org/repo.git",
        "https://github.com/org/repo/",
        "https://raw.githubusercontent.com/org/repo/main/flow.py",
        "https://huggingface.co/org/model/resolve/main/flow.py",
        "https://raw.githubusercontent.com/org/repo/refs/heads/main/flow.py",
        "https://gitlab.com/group/repo/-/blob/main/flow.py",
        "https://bitbucket.org/org/repo/src/master/flow.py",
        "https://codeberg.org/org/repo/src/branch/main/flow.py",
        "https://cdn.jsdelivr.net/gh/org/repo/flow.py",
        "https://gist.github.com/user/0123456789abcdef0123456789abcdef",
        "git+https://host/org/repo.git",
        "git+https://host/org/repo.git@main#flow.py",
        "docker://repo/image",
        "https://registry-1.docker.io/v2/library/python/manifests/3.11.2",
        "https://registry.gitlab.com/v2/group/image/manifests/latest",
        "docker://repo/image:latest",
        "docker://host:5000/repo/image:1.2.3",
    ],
)
def test_branch_or_image_tag_is_moving(url):
    assert parse_url_version(url).pinning == "moving"


@pytest.mark.parametrize(
    ("url", "base", "version"),
    [
        (f"file:///flow.py#sha256={'0f' * 32}", "file:///flow.py", DIGEST),
        (f"docker://repo/image@{DIGEST}", "repo/image", DIGEST),
        (
            f"https://registry.gitlab.com/v2/a/b/manifests/{DIGEST}",
            "registry.gitlab.com/v2/a/b",
            DIGEST,
        ),
        ("s3://bucket/a.csv?versionId=aB._-9", "s3://bucket/a.csv", "aB._-9"),
        ("gs://bucket/a.csv#1700000000000000", "gs://bucket/a.csv", "1700000000000000"),
        ("gs://bucket/a.csv?generation=17", "gs://bucket/a.csv", "17"),
        (f"s3://bucket/a.csv#etag={'0f' * 16}-12", "s3://bucket/a.csv", f"etag:{'0f' * 16}-12"),
        (f"docker://host:5000/repo/image:1.2@{DIGEST}", "host:5000/repo/image", DIGEST),
        ("https://github.com/org/repo/blob/v1.2.3/a.py", "github.com/org/repo/a.py", "v1.2.3"),
        ("https://github.com/nf-core/rnaseq@3.11.2", "github.com/nf-core/rnaseq", "3.11.2"),
        ("https://github.com/org/repo/blob/0123abc/a.py", "github.com/org/repo/a.py", "0123abc"),
        (
            "https://raw.githubusercontent.com/org/repo/refs/tags/v1.2.3/a.py",
            "github.com/org/repo/a.py",
            "refs/tags/v1.2.3",
        ),
        (
            "https://github.com/org/repo/releases/download/v1.2.3/a.whl",
            "github.com/org/repo/a.whl",
            "v1.2.3",
        ),
    ],
)
def test_other_pinned_versions(url, base, version):
    found = parse_url_version(url)
    assert (found.base, found.version, found.pinning) == (base, version, "pinned")


@pytest.mark.parametrize(
    "url",
    [
        "https://host/data.csv",
        "https://host/blob/main/data.csv",
        "s3://bucket/key",
        "https://github.com/org/repo/issues/7",
        "https://github.com/org",
        "https://[bad",
        "plain text",
        "",
    ],
)
def test_other_urls_have_no_known_version(url):
    found = parse_url_version(url)
    assert (found.base, found.version, found.pinning) == (url, None, "unknown")


WORDS = (
    "https:// github.com git+https:// docker:// / // blob - tree main @ : # ? v1.2.3 .git [ %2F é"
)
PARTS = st.sampled_from([*WORDS.split(), COMMIT, DIGEST, "refs/tags", "a" * 40])


@given(st.lists(PARTS, max_size=12).map("".join) | st.text())
def test_every_text_is_parsed(url):
    found = parse_url_version(url)
    assert found.pinning != "pinned" or found.version


@pytest.mark.parametrize(
    "end", ["/blob/v1.2.3" + "a" * 20_000 + "!", "/blob" * 5_000, "/" * 20_000, "@" * 20_000]
)
def test_long_urls_are_parsed_quickly(end):
    began = time.thread_time()
    parse_url_version(f"https://github.com/org/repo{end}")
    parse_url_version(f"docker://repo/image{end}")
    assert time.thread_time() - began < 2

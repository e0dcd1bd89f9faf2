"""Versions in URLs: commits, branches and tags of repositories, content hashes, image digests."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

#: `pinned`: the URL always leads to the same content. `moving`: it follows a branch or a tag.
#: `unknown`: the URL has no version that can be recognized.
Pinning = Literal["pinned", "moving", "unknown"]

_CONTENT_HASH = re.compile(
    r"(sha256|sha512|md5|etag)[=:]([0-9a-f]{32,128}(?:-\d+)?)", re.IGNORECASE
)
#: Version of an object in S3.
_VERSION_ID = re.compile(r"(?:.*&)?versionId=([^&]+)(?:&.*)?", re.IGNORECASE)
#: Generation of an object in Google Cloud Storage.
_GENERATION = re.compile(r"(?:.*&)?generation=(\d+)(?:&.*)?")
_FULL_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
#: An abbreviated commit has a letter: a number may be the name of a branch.
_SHORT_COMMIT = re.compile(r"(?=\d*[a-f])[0-9a-f]{7,39}", re.IGNORECASE)
#: A release such as v1.2.3. A name with fewer numbers (`v2`, `3.11`) is often a branch.
_RELEASE = re.compile(r"v?\d+\.\d+\.\d+[-+.0-9a-z]*", re.IGNORECASE)
_REF: Final = r"(?P<ref>refs/(?:heads|tags|remotes/\w+)/[^/]+|[^/]+)"
_TYPED_REF: Final = r"(?P<kind>branch|commit|tag)/(?P<ref>[^/]+)"
_ARCHIVE_SUFFIX: Final = r"(?:\.zip|\.tar\.gz|\.tgz|\.tar\.bz2|\.tar)"
#: Paths of pages and files of repositories. `base` is the repository.
_REPOSITORY_PATHS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<base>/.+?)/-/archive/{_REF}/[^/]+{_ARCHIVE_SUFFIX}",
        rf"(?P<base>/.+?)(?:/-)?/(?:blob|tree|raw|blame|commits?|edit|plain)/{_TYPED_REF}(?P<path>/.*)?",
        rf"(?P<base>/[^/]+/[^/]+)/(?:src|media)/{_TYPED_REF}(?P<path>/.*)?",
        rf"(?P<base>/.+?)(?:/-)?/(?:blob|tree|raw|blame|commits?|edit|plain)/{_REF}(?P<path>/.*)?",
        rf"(?P<base>/[^/]+/[^/]+)/archive/(?P<ref>.+?){_ARCHIVE_SUFFIX}",
        r"(?P<base>/[^/]+/[^/]+)/releases/(?:download|tag)/(?P<ref>[^/]+)(?P<path>/.*)?",
        r"(?P<base>/[^/]+/[^/]+)/releases/(?P<ref>latest)(?P<path>/.*)?",
        r"(?P<base>/[^/@]+/[^/@]+)@(?P<ref>[^/@]+)(?P<path>/.*)?",
    )
)
_BITBUCKET_PATH = re.compile(rf"(?P<base>/[^/]+/[^/]+)/src/{_REF}(?P<path>/.*)?")
_RAW_PATH = re.compile(rf"(?P<base>/[^/]+/[^/]+)/{_REF}(?P<path>/.*)?")
_CDN_PATH = re.compile(r"/gh(?P<base>/[^/]+/[^/@]+)(?:@(?P<ref>[^/]+))?(?P<path>/.*)?")
_MODEL_PATH = re.compile(rf"(?P<base>/.+?)/(?:blob|tree|raw|resolve)/{_REF}(?P<path>/.*)?")
_GIST_PATH = re.compile(
    r"(?P<base>/[^/]+/[0-9a-f]+)(?:/raw)?(?:/(?P<ref>[0-9a-f]{40}))?(?P<path>/.*)?"
)
_WHOLE_REPOSITORY = re.compile(r"(?P<base>/[^/]+/[^/]+?)(?:\.git)?/?")
#: Paths that only servers of repositories have: GitLab, and GitHub with its own host name.
_ANY_HOST_PATHS: Final = tuple(
    re.compile(rf"(?P<base>{base}/(?:blob|tree|raw)/{_REF}(?P<path>/.*)?")
    for base in (r"/.+?)/-", r"/[^/]+/[^/]+)(?=/blob)")
)
#: Hosts of repositories whose pages are recognized by their path alone.
_FORGES = re.compile(
    r"(?:^|[.-])(?:github|gitlab|bitbucket|codeberg|gitea|forgejo|git|gitee|sr)(?:[.-]|$)"
)
_RAW_HOSTS: Final = frozenset(
    {"raw.githubusercontent.com", "raw.github.com", "codeload.github.com"}
)
_IMAGE_SCHEMES: Final = frozenset(
    {"docker", "docker-image", "docker-pullable", "oci", "container"}
)
#: Manifest of an image in a registry.
_MANIFEST_PATH = re.compile(r"(?P<base>/v2/.+)/(?P<kind>manifests)/(?P<ref>[^/]+)")
_DIGEST = re.compile(r"(?P<base>.+?)(?::(?P<tag>[^:/@]+))?@(?P<digest>\w+:[0-9a-f]{32,})")
_TAGGED_IMAGE = re.compile(r"(?P<base>.+?):(?P<tag>[^:/@]+)")


@dataclass(frozen=True, slots=True)
class UrlVersion:
    """A URL without its version, and the version.

    Args:
        base: What is equal for all versions of the object; usually part of the URL.
        version: A commit, branch, tag, hash or digest; None if there is none.
        pinning: Whether the URL always leads to the same content.
    """

    base: str
    version: str | None
    pinning: Pinning


def parse_url_version(url: str) -> UrlVersion:
    """Find the version in a URL.

    Pinned are commits, releases with three numbers (``v1.2.3``), content hashes, version IDs and
    etags of objects in S3, generations of objects in Google Cloud Storage, and digests of images.
    Other branches and tags, default branches and tags of images are moving.

    Args:
        url: For example ``https://github.com/org/repo/blob/main/flow.py``.
    """
    place, _, fragment = url.partition("#")
    hashed = _CONTENT_HASH.fullmatch(fragment)
    if hashed:
        return UrlVersion(place, f"{hashed[1].lower()}:{hashed[2].lower()}", "pinned")
    try:
        parts = urlsplit(place)
        host = (parts.hostname or "").lower()
    except ValueError:
        return UrlVersion(url, None, "unknown")
    scheme = parts.scheme.lower()
    version_id = _VERSION_ID.fullmatch(parts.query)
    if scheme in {"gs", "gcs"}:
        version_id = _GENERATION.fullmatch(parts.query or f"generation={fragment}")
    if version_id:
        return UrlVersion(place.partition("?")[0], version_id[1], "pinned")
    if scheme in _IMAGE_SCHEMES:
        return _parse_image(url)
    path = unquote(parts.path)
    for pattern in _iter_patterns(scheme, host):
        found = pattern.fullmatch(path)
        if found:
            return _build(found, host, fragment)
    return UrlVersion(url, None, "unknown")


def _iter_patterns(scheme: str, host: str) -> Iterator[re.Pattern[str]]:
    """Yield the forms of the paths of a host, the more specific ones first."""
    if scheme in {"http", "https"}:
        yield _MANIFEST_PATH
    if scheme == "git" or scheme.startswith("git+"):
        yield re.compile(r"(?P<base>/.+?)(?:\.git)?(?:@(?P<ref>[^@]+))?")
    elif host in _RAW_HOSTS:
        yield _RAW_PATH
    elif host in {"huggingface.co", "hf.co"}:
        yield _MODEL_PATH
    elif host == "cdn.jsdelivr.net":
        yield _CDN_PATH
    elif host in {"gist.github.com", "gist.githubusercontent.com"}:
        yield _GIST_PATH
    elif _FORGES.search(host):
        if host.startswith("bitbucket."):
            yield _BITBUCKET_PATH
        yield from _REPOSITORY_PATHS
        yield _WHOLE_REPOSITORY
    elif scheme in {"http", "https"}:
        yield from _ANY_HOST_PATHS


def _build(found: re.Match[str], host: str, fragment: str) -> UrlVersion:
    groups = found.groupdict()
    path = (groups.get("path") or "").rstrip("/") or (f"/{fragment}" if fragment else "")
    repository = groups["base"].removesuffix(".git")
    domain = {"raw.githubusercontent.com": "github.com", "raw.github.com": "github.com"}
    base = f"{domain.get(host, host)}{repository}{path}"
    ref = groups.get("ref")
    if ref is None:
        return UrlVersion(base, None, "moving")
    return UrlVersion(base, ref, _classify(ref, groups.get("kind")))


def _classify(ref: str, kind: str | None) -> Pinning:
    if kind == "branch" or ref.startswith(("refs/heads/", "refs/remotes/")):
        return "moving"
    if kind == "manifests":
        return "pinned" if _CONTENT_HASH.fullmatch(ref) else "moving"
    name = ref.removeprefix("refs/tags/")
    is_commit = _FULL_COMMIT.fullmatch(name) or _SHORT_COMMIT.fullmatch(name)
    is_pinned = is_commit or _RELEASE.fullmatch(name) or kind == "commit"
    return "pinned" if is_pinned else "moving"


def _parse_image(url: str) -> UrlVersion:
    image = url.partition("://")[2] or url.partition(":")[2]
    digest = _DIGEST.fullmatch(image)
    if digest:
        return UrlVersion(digest["base"], digest["digest"], "pinned")
    tagged = _TAGGED_IMAGE.fullmatch(image)
    if tagged:
        return UrlVersion(tagged["base"], tagged["tag"], "moving")
    return UrlVersion(image, None, "moving")

"""Secrets: text with a redacted repr, and removal from log text, error messages and URLs."""

import re
from collections.abc import Iterable
from typing import Final, TypeVar

from synapse_workflows.client.core.text_maskers import MASKERS

T = TypeVar("T")

REDACTED: Final = "<redacted>"

#: Minimum length of a secret that is replaced in texts.
_MIN_SECRET: Final = 4
_SIGNED_QUERY = re.compile(
    r"\?[^\s'\"<>()]*(?:x-amz-|signature=|awsaccesskeyid=)[^\s'\"<>()]*", re.IGNORECASE
)
_SIGNED_FIELD = re.compile(
    r"((?:x-amz-(?:signature|credential|security-token)|signature|awsaccesskeyid)=)[^&\s'\"<>]+",
    re.IGNORECASE,
)
#: Value of a secret property in JSON, or in the repr of a dict.
_SECRET_PROPERTY = re.compile(
    r"""(["'](?:secretKey|accessKeyId|secretAccessKey|sessionToken|password|apiKey)["']\s*:\s*"""
    r"""(["']))(?:(?!\2)[^\\]|\\.)*""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer)\s+[^\s'\",;]+", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?")
#: User name and password, if the password contains /: what follows the colon is no port. The
#: length is limited for linear time.
_SLASHED_USER_INFO: Final = r"[^/?#@:\[\]\s'\"]*:(?!\d*(?:[,/?#\s'\"]|\Z))[^\s'\"]{0,300}"
_USER_INFO = re.compile(rf"(?<=://)(?:[^/@\s'\"]+|{_SLASHED_USER_INFO})@")
#: User info of a URL, up to the last @ of the authority. The pattern also matches the user info in
#: `jdbc:db://user:password@host/`. A password may contain ? and #, and a secret key of AWS /.
_URL_USER_INFO = re.compile(rf"(?:(?<=:)|^)//(?:[^/?#]*|[^/?#@]*:[^/]*|{_SLASHED_USER_INFO})@")
#: Parameters of a host, as JDBC writes them, up to the end of the URL.
_HOST_PARAMETERS = re.compile(r"\A((?:[^/]*:)?//[^/;]*);.*", re.DOTALL)
#: Parameters of a path segment. In other schemes, a semicolon is part of a file name.
_PATH_PARAMETERS = re.compile(r";[\w.-]+=[^/;]*")
_SCHEME_WITH_PARAMETERS = re.compile(r"(?:https?|jdbc:.*?)://", re.IGNORECASE)
#: User name and password of a URL without a scheme.
_BARE_USER_INFO = re.compile(r"\A[^/?#@:\s]*:[^/?#@\s]*@")
#: As in `jdbc:oracle:thin:me/password@//host`.
_ORACLE_USER_INFO = re.compile(r"\A(jdbc:oracle:\w+:)[^@]*@", re.IGNORECASE)
#: A URL inside a text, up to white space.
_URL_IN_TEXT = re.compile(r"[A-Za-z][\w+.:-]{0,40}://\S*")
#: Part of the path of a webhook that may be a token.
_TOKEN = re.compile(r"\A(?=\D*\d)[^.]{16,}\Z")
#: Fragment that identifies the content of a file; see `lineage.task_code` and `s3_access`.
_CONTENT_HASH = re.compile(r"sha256=[0-9a-f]{64}|etag=[0-9a-f]{32}(?:-\d{1,5})?")
#: Path of a Python file in a repository, encoded for a URL; of any file, at a full commit.
_PATH = re.compile(r"[\w./%~+-]+\.py")
_PATH_AT_COMMIT = re.compile(r"git\+\S*@[0-9a-f]{40}#[\w./%~+-]*[\w%~+-]\.\w{1,8}")
#: URL of an object in S3 with the ID of its version, which is not the null version.
_S3_VERSION = re.compile(
    r"(?:s3[an]?://|https?://(?:[^/?#@]*\.)?s3(?:[.-][\w-]+)*\.amazonaws\.com(?:\.cn)?/)[^?#]*"
    r"\?(?:[^#]*&)?versionId=(?!null(?:[&#]|\Z))([\w.~%+/=-]{1,200})(?:[&#]|\Z)",
    re.IGNORECASE,
)
#: Tokens of common services, recognized by their prefix.
_SERVICE_TOKEN = re.compile(
    r"\b(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-|sk-|pypi-|hf_)[\w-]{16,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
)
#: Value of the HTTP header Authorization; bearer tokens are recognized everywhere.
_AUTHORIZATION = re.compile(
    r"""(\bauthorization["']?\s*[:=]\s*["']?(?!bearer\b)(?:[\w-]+\s+)?)[^\s'",;]+""", re.IGNORECASE
)
#: Private key in PEM format, also in a text that contains line breaks as `\\n`, or is truncated.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"(?:[\w+/=\s\\:,-]*?-----END [A-Z ]*PRIVATE KEY-----|[\w+/=\s\\:,-]*)"
)
#: End of the name of a parameter that is secret.
_NAME_END: Final = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?|signature"
    r"|(?:api|access|account|private|secret|encryption|signing|ssh)[_-]?key)"
)
#: Names that are common words, and secret only as names of parameters.
_PARAMETER_NAME = re.compile(
    rf".*{_NAME_END}|(?:.*[_.-])?(?:auth|pat|pw|jwt|bearer|cookies?)", re.IGNORECASE
)
_VALUE: Final = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s&;,'"<>]+)"""
#: Value of a secret parameter in a text, for example in a connection string, a command, or JSON.
_SECRET_ASSIGNMENTS: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        rf"({_NAME_END}\s*=\s*){_VALUE}",
        r"(\bsig=)[\w%+/=-]{20,}",
        rf"((?<!\S)-[\w.-]{{0,50}}{_NAME_END}\s+)(?!-){_VALUE}",
        rf"""({_NAME_END}["']\s*:\s*)(?=["']){_VALUE}""",
        rf"(^[ \t]*(?:- )?[\w.-]{{0,50}}{_NAME_END}:[ \t]+)[^\s<].*",
    )
)


class Secret(str):
    """Text that is secret: its repr, which tracebacks and debuggers show, is redacted."""

    __slots__ = ()

    def __repr__(self) -> str:
        return REDACTED


def hide(value: T) -> T:
    """Return a text as `Secret`, and any other value unchanged."""
    return Secret(value) if isinstance(value, str) else value  # type: ignore[return-value]


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Remove tokens, user info and the queries of pre-signed URLs from a text.

    Args:
        text: Text for a log or an error message.
        secrets: Secrets in use. Any other token is recognized by its form.
    """
    for secret in secrets:
        # Replacing each "a" of a message would not hide the password "a".
        if len(secret) >= _MIN_SECRET:
            text = text.replace(secret, REDACTED)
    text = _SIGNED_QUERY.sub(f"?{REDACTED}", text)
    text = _SIGNED_FIELD.sub(rf"\1{REDACTED}", text)
    text = _SECRET_PROPERTY.sub(rf"\1{REDACTED}", text)
    text = _USER_INFO.sub(f"{REDACTED}@", text)
    text = _AUTHORIZATION.sub(rf"\1{REDACTED}", text)
    return redact_tokens(_BEARER.sub(rf"\1 {REDACTED}", text))


def redact_tokens(text: str) -> str:
    """Remove the tokens and private keys that are recognized by their form."""
    text = _PRIVATE_KEY.sub(REDACTED, text)
    return _SERVICE_TOKEN.sub(REDACTED, _JWT.sub(REDACTED, text))


def has_secret_name(name: str) -> bool:
    """Return whether a parameter with this name usually has a secret as its value."""
    return _PARAMETER_NAME.fullmatch(name) is not None


def _mask(text: str) -> str:
    for masker in MASKERS:
        text = masker(text)
    return text


def redact_url(url: str) -> str:
    """Return a URL without user info, parameters, query and fragment, which is safe to record.

    Parameters are written after a semicolon: ``jdbc:sqlserver://host;password=secret``.

    Kept are the parts that identify a version: a content hash or the etag of an object in S3
    (``#sha256=`` and 64, ``#etag=`` and 32 hexadecimal digits), the path of a file in a repository
    (``git+https://...@commit#a/b.py``), and the version ID of an object in S3
    (``s3://bucket/key?versionId=...``).

    Args:
        url: A URL, which may be invalid, or a path.
    """
    url = _mask(url)
    place = redact_tokens(_strip_parameters(url))
    version = _S3_VERSION.match(_URL_USER_INFO.sub("//", url))
    if version and redact_tokens(version[1]) == version[1]:
        return f"{place}?versionId={version[1]}"
    fragment = url.partition("#")[2]
    is_path = place.startswith("git+") and _PATH.fullmatch(fragment)
    is_kept = is_path or _CONTENT_HASH.fullmatch(fragment)
    kept = f"{place}#{fragment}"
    return kept if is_kept or _PATH_AT_COMMIT.fullmatch(kept) else place


def _strip_parameters(url: str) -> str:
    """Return a URL without user info, parameters, query and fragment."""
    if "://" not in url:
        url = _ORACLE_USER_INFO.sub(r"\1@", _BARE_USER_INFO.sub("", url))
    place = re.split(r"[?#]", _URL_USER_INFO.sub("//", url), maxsplit=1)[0]
    place = _HOST_PARAMETERS.sub(r"\1", place)
    if _SCHEME_WITH_PARAMETERS.match(place):
        place = _PATH_PARAMETERS.sub("", place)
    return place


def redact_endpoint(url: str) -> str:
    """Return the URL of a request that sends something, which is safe to record.

    Webhooks have tokens in their paths: `https://hooks.slack.com/services/T0/B0/<token>`. Each
    part of the path that may be a token is replaced: 16 characters or more, with a digit, and no
    extension. `redact_url` is applied, too.
    """
    scheme, separator, rest = redact_url(url).partition("://")
    host, *parts = rest.split("/")
    return scheme + separator + "/".join([host, *(_TOKEN.sub("redacted", one) for one in parts)])


def redact_name(name: str) -> str:
    """Return a display name that is safe to record.

    Args:
        name: A name, for example the name of an Airflow asset. The name may be a URI.
    """
    return redact_text(redact_url(name) if _URL_IN_TEXT.match(name) else name)


def redact_text(text: str) -> str:
    """Return a text that is safe to record, with `redact_url` applied to each URL in the text."""
    without_queries = _URL_IN_TEXT.sub(lambda match: redact_url(match[0]), _mask(text))
    for pattern in _SECRET_ASSIGNMENTS:
        without_queries = pattern.sub(rf"\1{REDACTED}", without_queries)
    return redact(without_queries)

"""Removal of secrets from log text, error messages and URLs."""

import re
from collections.abc import Iterable
from typing import Final

REDACTED: Final = "<redacted>"

_SIGNED_QUERY = re.compile(
    r"\?[^\s'\"<>()]*(?:x-amz-|signature=|awsaccesskeyid=)[^\s'\"<>()]*", re.IGNORECASE
)
_SIGNED_FIELD = re.compile(
    r"((?:x-amz-(?:signature|credential|security-token)|signature|awsaccesskeyid)=)[^&\s'\"<>]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer)\s+[^\s'\",;]+", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?")
_USER_INFO = re.compile(r"(?<=://)[^/@\s'\"]+@")
#: User info of a URL, up to the last @ of the authority; also in `jdbc:db://user:password@host/`.
_URL_USER_INFO = re.compile(r"(?:(?<=:)|^)//[^/]*@")
#: Fragment that identifies the content of a file; see `lineage.task_code`.
_CONTENT_HASH = re.compile(r"sha256=[0-9a-f]{64}")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Remove tokens, user info and the queries of pre-signed URLs from a text.

    Args:
        text: Text for a log or an error message.
        secrets: Tokens in use. Other tokens are recognized by their form.
    """
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    text = _SIGNED_QUERY.sub(f"?{REDACTED}", text)
    text = _SIGNED_FIELD.sub(rf"\1{REDACTED}", text)
    text = _USER_INFO.sub(f"{REDACTED}@", text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    return _JWT.sub(REDACTED, text)


def redact_url(url: str) -> str:
    """Return a URL that is safe to show or to record: without user info, query and fragment.

    A fragment is kept only if it is the content hash that this package writes itself
    (``#sha256=`` and 64 hexadecimal digits).

    Args:
        url: A URL; also an invalid one, or a path.
    """
    fragment = url.partition("#")[2]
    place = re.split(r"[?#]", url, maxsplit=1)[0]
    place = _URL_USER_INFO.sub("//", place)
    return f"{place}#{fragment}" if _CONTENT_HASH.fullmatch(fragment) else place

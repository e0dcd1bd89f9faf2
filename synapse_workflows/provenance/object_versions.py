"""Versions at the end of URLs: of objects in S3, and content hashes of files."""

import re
from typing import Final
from urllib.parse import quote

from synapse_workflows.client.core.redaction import redact_url

_QUOTES: Final = '"'
#: The end of a URL that identifies the version of an object or the content of a file.
_VERSION: Final = re.compile(
    r"(?:\?versionId=[^#?]+|#etag=[0-9a-f]{32}(?:-\d+)?|#sha256=[0-9a-f]{64})\Z"
)


def strip_version(url: str) -> str:
    """Return a URL without the version ID, the etag or the content hash at its end."""
    return _VERSION.sub("", url)


def add_s3_version(url: str, version_id: str | None, etag: str | None) -> str:
    """Return the URL of an object in S3 with the version ID, or else with the etag.

    The version ID wins, because it leads to the version. An object in a bucket without versioning
    has the version ID `null`, or none: then the etag identifies its content.

    Args:
        url: URL of the object.
        version_id: Version ID of the response of S3.
        etag: Etag of the response of S3, in quotation marks.

    Returns:
        `s3://bucket/key?versionId=...`, `s3://bucket/key#etag=...`, or the URL unchanged if
        neither is known.
    """
    candidates = [f"{url}?versionId={quote(version_id, safe='')}"] if version_id else []
    candidates += [f"{url}#etag={etag.strip(_QUOTES)}"] if etag else []
    return next((one for one in candidates if redact_url(one) == one), url)

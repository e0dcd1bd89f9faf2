"""Masking of STS credentials in the logs of Airflow."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

from airflow.sdk.log import mask_secret

_KEYS: Final = ("sessionToken", "secretAccessKey", "accessKeyId")


def mask_credentials(body: Mapping[str, Any]) -> None:
    """Mask credentials in all logs of this process, also in URLs, JSON and base64.

    Args:
        body: A response of Synapse, with `accessKeyId`, `secretAccessKey` and `sessionToken`.
    """
    for form in list_secret_forms(str(body[key]) for key in _KEYS if body.get(key)):
        mask_secret(form)


def list_secret_forms(secrets: Iterable[str]) -> list[str]:
    """Return secrets and their forms in URLs, JSON and base64, the shortest first.

    Airflow compiles all masked values again at each value, so long values come last.
    """
    forms = {form for secret in secrets for form in _iter_forms(secret)}
    return sorted(forms, key=len)


def _iter_forms(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield json.dumps(secret)[1:-1]
    # Whole groups of three bytes have the same form whatever follows, for example a line break.
    start = secret.encode()[: len(secret) // 3 * 3]
    yield from (base64.b64encode(start).decode(), base64.urlsafe_b64encode(start).decode())

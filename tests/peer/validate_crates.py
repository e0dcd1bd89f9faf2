"""Script that validates RO-Crates with roc-validator, without a network.

`python validate_crates.py OUTPUT CACHE CONTEXT CRATE...` writes the findings of each crate as
JSON: `[[severity, check, message, entity], ...]`. The context of RO-Crate 1.1, which crates name
by its URL, is stored in the cache of the validator first.
"""

import io
import json
import sys
from pathlib import Path

import requests
import requests_cache
import urllib3
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings

CONTEXT_URL = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "workflow-run-crate-0.5"  # with Process Run Crate, Workflow RO-Crate and RO-Crate 1.1


def fill_cache(cache: str, context: bytes) -> None:
    """Store the context as the response of its URL."""
    headers = {"Content-Type": "application/ld+json"}
    response = requests.Response()
    response.status_code, response.url, response._content = 200, CONTEXT_URL, context
    response.headers.update(headers)
    response.request = requests.Request("GET", CONTEXT_URL).prepare()
    response.raw = urllib3.HTTPResponse(io.BytesIO(context), headers, 200, preload_content=False)
    requests_cache.CachedSession(cache, backend="sqlite").cache.save_response(response)


def validate(crate: str, cache: str) -> list[list[str]]:
    settings = ValidationSettings(
        rocrate_uri=crate,
        profile_identifier=PROFILE,
        requirement_severity=Severity.RECOMMENDED,
        cache_path=Path(cache),
        offline=True,
    )
    issues = services.validate(settings).get_issues()
    return [
        [one.severity.name, one.check.identifier, one.message, str(one.violatingEntity)]
        for one in issues
    ]


if __name__ == "__main__":
    output, cache, context, *crates = sys.argv[1:]
    fill_cache(cache, Path(context).read_bytes())
    Path(output).write_text(json.dumps([validate(crate, cache) for crate in crates]))

"""How the local service differs from Synapse: missing routes and responses, other behavior.

`tests/contract/coverage_figures.py` writes the guide from this data, and
`tests/contract/test_every_route.py` compares it with the service.
"""

from fnmatch import fnmatchcase

#: Patterns of routes that the service does not serve -> why.
UNSERVED = {
    "POST /auth/v1/login*": "Clients log in with a token or with `POST /session`.",
    "DELETE /auth/v1/session": "Synapse has withdrawn it.",
    "POST /repo/v1/admin/user": "The users come from the settings of the service.",
    "* /repo/v1/entity/{id}/annotations": "Version 1 of annotations is deprecated; `annotations2` "
    "is served.",
    "* /repo/v1/*/filepreview": "There are no previews.",
    "PUT /repo/v1/entity/{id}/datatype": "There is no open data.",
    "GET /repo/v1/projects*": "`POST /entity/children` without a parent lists the projects.",
    "* /repo/v1/entity/{id}/table/append/*": "It is deprecated; transactions append rows.",
    "POST /repo/v1/entity/{id}/table/deleteRows": "It is deprecated; transactions delete rows.",
    "POST /repo/v1/entity/{id}/table/filehandles": "No client calls it since 2.0.",
    "POST /repo/v1/validateDefiningSql": "Storing a materialized view validates its SQL.",
}

#: Patterns of documented responses that no test provokes -> why.
UNPROVOKED = {
    "POST /auth/v1/session 401*": "Two-factor authentication and expired passwords do not exist.",
    "POST /auth/v1/session 423": "Logins are not locked after wrong passwords.",
    "401 *_REQUIRED": "Two-factor authentication and expired passwords do not exist.",
    "403 OAUTH_CLIENT_NOT_VERIFIED": "OAuth clients do not exist.",
    "423": "Logins and objects are never locked.",
    "500": "It means a fault of the service.",
    "502": "There is no other storage behind the service.",
    "GET /repo/v1/*/attachmentpreview *": "There are no previews: the response is 404.",
    "POST /repo/v1/access_requirement/{owner}/wiki 403": "Only administrators change these wikis, "
    "and they may use the file handles of all users.",
}

#: What the service does otherwise, one sentence each.
BEHAVIORS = {
    "Accounts": [
        "Users and their tokens come from the settings (`--users`), not from a registration.",
        "`GET /authenticatedOn` returns the current time.",
        "Verified profiles do not exist: `isVerified` of a user bundle is false.",
        "Rate limits are off, unless the setting `throttle` (`--throttle`) switches them on.",
        "Messages are delivered to the inbox only; there is no e-mail.",
    ],
    "Files": [
        "There are no previews of files.",
        "External buckets without an `endpointUrl` are in the S3 server of the service.",
        "The S3 server of the service creates missing buckets.",
        "Without an S3 server, the service stores the files of buckets itself.",
        "Without an S3 server, requests for temporary credentials return 400.",
        "Temporary credentials have an `endpointUrl`, the URL of the S3 server.",
        "`owner.txt` of an external bucket is checked only if it exists.",
    ],
    "Entities": [
        "The only access requirements are those of `POST /entity/{id}/lockAccessRequirement`.",
        "Users cannot be approved for access requirements.",
        "Docker images cannot be pushed; `POST /entity/{id}/dockerCommit` creates commits.",
        "JSON schemas, DOIs, discussions, record sets and search indexes do not exist.",
        "`includeDerived` of annotations is ignored.",
    ],
    "Evaluations": [
        "There are no challenges: `isRegistered` is left out of the eligibility of teams.",
        "Rounds come from the `quota` of an evaluation only.",
    ],
    "Tables": [
        "Views and materialized views are current: they never lag behind their sources.",
        "`text_matches` returns 400, since no table has a search index.",
        "A poll for the result of a job waits for up to half a second before it returns 202.",
        "A query that takes longer than 30 seconds (`--query-seconds`) fails with 400.",
    ],
}


def find_reason(text: str, reasons: dict[str, str]) -> str | None:
    """Return the reason of the first pattern that a text matches; None if there is none."""
    found = (reason for pattern, reason in reasons.items() if fnmatchcase(text, pattern))
    return next(found, None)

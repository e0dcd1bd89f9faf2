"""All requests that provoke the documented statuses of the routes, by subject."""

from support.route_cases import (
    accounts,
    entities,
    entity_access,
    evaluations,
    files,
    storage,
    tables,
    teams,
    wikis,
)

SUBJECTS = (
    accounts,
    teams,
    entities,
    entity_access,
    files,
    storage,
    evaluations,
    wikis,
    tables,
)
CASES = [case for subject in SUBJECTS for case in subject.CASES]
#: Requests to a service with an S3 server.
S3_CASES = storage.S3_CASES

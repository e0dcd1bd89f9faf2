"""Evaluations and submissions."""

from support.route_case import Case

EVALUATION = {"name": "{new_name}", "contentSource": "{project}"}
SUBMISSION = {
    "evaluationId": "{evaluation}",
    "entityId": "{file}",
    "versionNumber": "{file_version}",
}
TEAM = {"teamId": "{team_of_bob}", "contributors": [{"principalId": "{alice_id}"}]}
IMAGE = {"evaluationId": "{evaluation}", "entityId": "{repository}", "versionNumber": 1}
STATUS = "/evaluation/submission/{submission}/status"
SUBMIT = "POST /evaluation/submission?etag={file_etag}"
ACL = "/evaluation/{evaluation}/acl"
PUBLIC = {"resourceAccess": [{"principalId": "273949", "accessType": ["SUBMIT"]}]}

CASES = [
    Case("POST /evaluation", 201, body=EVALUATION),
    Case(
        "POST /evaluation",
        409,
        "used name",
        EVALUATION | {"name": "{evaluation_name}"},
        reason="An Evaluation already exists with the name 'X'",
    ),
    Case("POST /evaluation", 403, "no CREATE on the project", EVALUATION, user="bob"),
    Case(
        "POST /evaluation",
        400,
        "content source is a folder",
        EVALUATION | {"contentSource": "{folder}"},
    ),
    Case("GET /evaluation/{evaluation}", 200),
    Case("GET /evaluation/{evaluation}", 403, "no READ", user="dave"),
    Case("GET /evaluation/999999", 404, "unknown"),
    Case("GET /evaluation/name/{evaluation_name}", 200),
    Case("GET /evaluation/name/{new_name}", 404, "unknown"),
    Case("GET /evaluation/name/{evaluation_name}", 404, "no READ", user="dave"),
    Case(
        "PUT /evaluation/{evaluation}",
        200,
        read="/evaluation/{evaluation}",
        body={"description": "d"},
    ),
    Case(
        "PUT /evaluation/{evaluation}",
        412,
        "stale etag",
        read="/evaluation/{evaluation}",
        body={"etag": "x"},
    ),
    Case(
        "PUT /evaluation/{new_evaluation}",
        409,
        "used name",
        read="/evaluation/{new_evaluation}",
        body={"name": "{evaluation_name}"},
    ),
    Case(
        "PUT /evaluation/{evaluation}",
        403,
        "no UPDATE",
        read="/evaluation/{evaluation}",
        user="bob",
    ),
    Case("DELETE /evaluation/{new_evaluation}", 204),
    Case("DELETE /evaluation/{evaluation}", 403, "no DELETE", user="bob"),
    Case("GET /evaluation", 200),
    Case("GET /evaluation/available", 200),
    Case("GET /entity/{shared_project}/evaluation", 200),
    Case(f"GET {ACL}", 200),
    Case(f"GET {ACL}", 403, "no READ", user="dave"),
    Case("GET /evaluation/999999/acl", 404, "unknown"),
    Case("PUT /evaluation/acl", 200, read=ACL),
    Case("PUT /evaluation/acl", 412, "stale etag", read=ACL, body={"etag": "x"}),
    Case("PUT /evaluation/acl", 403, "no CHANGE_PERMISSIONS", read=ACL, user="bob"),
    Case("PUT /evaluation/acl", 400, "SUBMIT for the public", read=ACL, body=PUBLIC),
    Case("POST /evaluation/acl", 410, "withdrawn", body={}),
    Case("DELETE /evaluation/{evaluation}/acl", 410, "withdrawn"),
    Case("GET /evaluation/{evaluation}/permissions", 200),
    Case("GET /evaluation/{evaluation}/team/{team_of_bob}/submissionEligibility", 200, user="bob"),
    Case(
        "GET /evaluation/{evaluation}/team/{team_of_bob}/submissionEligibility",
        403,
        "no member",
        user="carol",
    ),
    Case(SUBMIT, 201, body=SUBMISSION),
    Case(SUBMIT, 403, "no SUBMIT", SUBMISSION, user="dave"),
    Case(SUBMIT, 403, "limit reached", SUBMISSION | {"evaluationId": "{full_evaluation}"}),
    Case(
        SUBMIT + "&submissionEligibilityHash={new_conflict_hash}",
        403,
        "member has submitted alone",
        SUBMISSION | TEAM,
    ),
    Case(
        SUBMIT + "&submissionEligibilityHash=1",
        403,
        "stale eligibility hash",
        SUBMISSION | TEAM,
        reason="Submissions or Team composition have changed.",
    ),
    Case(
        "POST /evaluation/submission?etag=x",
        400,
        "stale etag of the entity",
        SUBMISSION,
        reason="The supplied eTag is out of date.",
    ),
    Case("POST /evaluation/submission?etag={repository_etag}", 400, "no Docker digest", IMAGE),
    Case(
        SUBMIT,
        400,
        "team without eligibility hash",
        SUBMISSION | TEAM,
        reason="Submission is neither a valid Team or Individual Submission.",
    ),
    Case(SUBMIT, 404, "unknown evaluation", SUBMISSION | {"evaluationId": "999999"}),
    Case("GET /evaluation/submission/{submission}", 200),
    Case(
        "GET /evaluation/submission/{submission}", 403, "no READ_PRIVATE_SUBMISSION", user="carol"
    ),
    Case(
        "GET /evaluation/submission/{submission_of_bob}",
        403,
        "submitter without READ_PRIVATE_SUBMISSION",
        user="bob",
    ),
    Case("DELETE /evaluation/submission/{new_submission}", 204),
    Case(f"GET {STATUS}", 200),
    Case(f"PUT {STATUS}", 200, read=STATUS, body={"status": "SCORED"}),
    Case(f"PUT {STATUS}", 412, "stale etag", read=STATUS, body={"etag": "x"}),
    Case(f"PUT {STATUS}", 403, "no UPDATE_SUBMISSION", read=STATUS, user="bob"),
    Case(f"PUT {STATUS}", 400, "score above 1", read=STATUS, body={"score": 2}),
    Case(
        f"PUT {STATUS}",
        400,
        "annotation",
        read=STATUS,
        body={"submissionAnnotations": {"annotations": {"a": {"type": "LONG", "value": ["x"]}}}},
    ),
    Case("PUT /evaluation/{new_evaluation}/statusBatch", 200, body="{new_status_batch}"),
    Case("GET /evaluation/{evaluation}/submission/all", 200),
    Case("GET /evaluation/{evaluation}/submission", 200),
    Case("GET /evaluation/{evaluation}/submission/bundle/all", 200),
    Case("GET /evaluation/{evaluation}/submission/bundle", 200),
    Case("GET /evaluation/{evaluation}/submission/status/all", 200),
    Case(
        "GET /evaluation/{evaluation}/submission/all?limit=101",
        400,
        "limit",
        reason="limit must be between 0 and 100",
    ),
    Case("GET /evaluation/{evaluation}/submission/count", 200),
    Case("PUT /evaluation/submission/{cancellable_submission}/cancellation", 204),
    Case("GET /evaluation/submission/{submission}/file/{stored_handle}", 307),
    Case("GET /evaluation/submission/{submission}/file/{stored_handle}?redirect=false", 200),
]

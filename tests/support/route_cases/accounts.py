"""Authentication, service state, users and principals."""

from support.route_case import Case

LOGIN = {"email": "eve", "password": "pw"}
BIG = b" " * (2 << 20) + b"{}"

CASES = [
    Case("POST auth:/session", 201, body=LOGIN, user=None),
    Case("POST auth:/session", 401, "wrong password", LOGIN | {"password": "x"}, user=None),
    Case("POST auth:/session", 401, "unknown user", LOGIN | {"email": "zoe"}, user=None),
    Case("POST auth:/session", 400, "no password", {"email": "eve"}, user=None),
    Case("GET auth:/secretKey", 200),
    Case("DELETE auth:/secretKey", 204, user="dave"),
    Case("POST auth:/personalAccessToken", 200, body={"name": "{new_name}"}),
    Case("POST auth:/personalAccessToken", 400, "used name", {"name": "{used_token_name}"}),
    Case("POST auth:/personalAccessToken", 401, "anonymous", {}, user=None),
    Case("GET auth:/personalAccessToken", 200),
    Case("GET auth:/personalAccessToken/{token_id}", 200),
    Case("GET auth:/personalAccessToken/999999", 404, "unknown"),
    Case("DELETE auth:/personalAccessToken/{new_token_id}", 200),
    Case("DELETE auth:/sessionAccessToken", 200, user="new_session_token"),
    Case("GET auth:/authenticatedOn", 200, user="eve"),
    Case("POST auth:/termsOfUse2", 204, body={"accessToken": "{all_scopes_token}"}, user=None),
    Case("GET auth:/termsOfUse2/info", 200, user=None),
    Case("GET auth:/termsOfUse2/status", 200),
    # service state and errors of every route
    Case("GET /version", 200, user=None),
    Case("GET /version", 200, "while the service is down", user=None, stack="DOWN"),
    Case("GET /status", 200, user=None, stack="READ_ONLY"),
    Case("GET /admin/synapse/status", 200, user="admin"),
    Case("PUT /admin/synapse/status", 200, body={"status": "READ_WRITE"}, user="admin"),
    Case("HEAD /healthcheck", 200, user=None),
    Case("GET /userProfile", 503, "down", reason="Synapse is down for maintenance.", stack="DOWN"),
    Case(
        "GET /userProfile",
        401,
        "invalid token",
        user="invalid_token",
        reason="Invalid access token",
    ),
    Case(
        "GET /userProfile", 403, "terms", user="erin", reason="Terms of use have not been signed."
    ),
    Case("GET /userProfile", 406, "Accept", headers={"Accept": "text/html"}),
    Case("POST /entity", 413, "body above 2 MB", data=BIG),
    Case("POST /entity", 415, "Content-Type", data=b"x", headers={"Content-Type": "text/plain"}),
    Case("PATCH /userProfile", 405, "method of no route"),
    # users and principals
    Case("GET /userProfile", 200),
    Case("GET /userProfile/", 200, "final slash"),
    Case("GET /userProfile/{bob_id}", 200, user=None),
    Case("GET /userProfile/999999", 404, "unknown user"),
    Case("POST /userProfile", 200, body={"list": ["{bob_id}", "{carol_id}"]}),
    Case("PUT /userProfile", 200, read="/userProfile", body={"summary": "s"}),
    Case("PUT /userProfile", 412, "stale etag", read="/userProfile", body={"etag": "x"}),
    Case(
        "PUT /userProfile",
        403,
        "profile of another",
        read="/userProfile",
        user="bob",
        body={"ownerId": "{alice_id}"},
    ),
    Case("PUT /userProfile", 409, "used name", read="/userProfile", body={"userName": "bob"}),
    Case("GET /user/bundle?mask=63", 200),
    Case("GET /user/{bob_id}/bundle?mask=63", 200),
    Case("GET /userGroupHeaders?prefix=ali", 200),
    Case("GET /userGroupHeaders/batch?ids={alice_id},{bob_id}", 200),
    Case("POST /userGroupHeaders/aliases", 200, body={"list": ["alice"]}),
    Case("POST /userGroupHeaders/aliases", 400, "no alias", {"list": []}),
    Case("GET /user/{alice_id}/certifiedUserPassingRecord", 200),
    Case(
        "GET /user/{dave_id}/certifiedUserPassingRecord",
        404,
        "never taken",
        reason="No quiz results for quiz N and user ID",
    ),
]

"""Permissions of entities."""

from support.route_case import Case

ACL = {
    "resourceAccess": [{"principalId": "{alice_id}", "accessType": ["READ", "CHANGE_PERMISSIONS"]}]
}
PUBLIC = {
    "resourceAccess": [*ACL["resourceAccess"], {"principalId": "273949", "accessType": ["UPDATE"]}]
}

CASES = [
    Case("GET /entity/{file}/permissions", 200),
    Case("GET /entity/{file}/access?accessType=READ", 200),
    Case("GET /entity/{file}/benefactor", 200),
    Case("GET /entity/{project}/acl", 200),
    Case("GET /entity/{file}/acl", 404, "inherited", reason="/acl"),
    Case("POST /entity/{new_folder}/acl", 201, body=ACL),
    Case(
        "POST /entity/{acl_folder}/acl", 403, "own ACL", ACL, reason="Resource already has an ACL."
    ),
    Case("POST /entity/{folder}/acl", 403, "no CHANGE_PERMISSIONS", ACL, user="bob"),
    Case("POST /entity/{folder}/acl", 400, "UPDATE for the public", PUBLIC),
    Case("PUT /entity/{acl_folder}/acl", 200, read="/entity/{acl_folder}/acl"),
    Case(
        "PUT /entity/{acl_folder}/acl",
        412,
        "stale etag",
        read="/entity/{acl_folder}/acl",
        body={"etag": "x"},
    ),
    Case("PUT /entity/{folder}/acl", 403, "inherited", ACL),
    Case(
        "PUT /entity/{comanaged_project}/acl",
        400,
        "caller loses CHANGE_PERMISSIONS",
        read="/entity/{comanaged_project}/acl",
        body=ACL,
        user="bob",
    ),
    Case("DELETE /entity/{new_acl_folder}/acl", 204),
    Case("DELETE /entity/{project}/acl", 403, "project"),
    Case("GET /entity/{file}/accessRequirement", 200),
    Case(
        "GET /entity/{file}/accessRequirement?limit=51",
        400,
        "limit",
        reason="limit must be between 1 and 50",
    ),
    Case("POST /entity/{new_file}/lockAccessRequirement", 201),
    Case(
        "POST /entity/{locked_file}/lockAccessRequirement",
        400,
        "locked",
        reason="Entity synN is already restricted.",
    ),
]

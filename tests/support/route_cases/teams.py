"""Teams, invitations and messages."""

from support.route_case import Case

INVITATION = {"teamId": "{team}", "inviteeId": "{bob_id}"}
MESSAGE = {"recipients": ["{bob_id}"], "fileHandleId": "{stored_handle}"}
BOB = "{team}/member/{bob_id}"

CASES = [
    Case("POST /team", 201, body={"name": "{new_name}"}),
    Case("POST /team", 409, "used name", {"name": "{team_name}"}),
    Case("GET /team/{team}", 200),
    Case("GET /team/999999", 404, "unknown"),
    Case("PUT /team", 200, read="/team/{team}", body={"description": "d"}),
    Case("PUT /team", 412, "stale etag", read="/team/{team}", body={"etag": "x"}),
    Case("PUT /team", 403, "no UPDATE", read="/team/{team}", user="bob"),
    Case("PUT /team", 409, "used name", read="/team/{new_team}", body={"name": "{team_name}"}),
    Case("DELETE /team/{new_team}", 204),
    Case("DELETE /team/{team}", 403, "no DELETE", user="bob"),
    Case("GET /teams?fragment=team", 200),
    Case("POST /teamList", 200, body={"list": ["{team}"]}),
    Case("GET /user/{alice_id}/team", 200),
    Case("GET /teamMembers/{team}", 200),
    Case("GET /teamMembers/999999", 404, "unknown"),
    Case("GET /teamMembers/count/{team}", 200),
    Case("GET /team/{team}/member/{alice_id}", 200),
    Case("GET /team/{team}/member/{carol_id}", 404, "no member"),
    Case("PUT /team/{new_open_team}/member/{bob_id}", 204, user="bob"),
    Case("PUT /team/{team}/member/{carol_id}", 403, "no invitation", user="carol"),
    Case("DELETE /team/{new_team_of_bob}/member/{alice_id}", 204),
    Case("PUT /team/{team_of_bob}/member/{alice_id}/permission?isAdmin=false", 204, user="bob"),
    Case("GET /team/{team}/member/{bob_id}/membershipStatus", 200),
    Case("GET /team/{team}/openInvitation", 200),
    Case("GET /team/{team}/openInvitation", 403, "no TEAM_MEMBERSHIP_UPDATE", user="bob"),
    Case("GET /user/{alice_id}/openInvitation", 200),
    Case("GET /user/{alice_id}/openInvitation", 403, "another user", user="bob"),
    Case("POST /membershipInvitation", 201, body=INVITATION),
    Case("POST /membershipInvitation", 400, "no invitee", {"teamId": "{team}"}),
    Case(
        "POST /membershipInvitation", 400, "two invitees", INVITATION | {"inviteeEmail": "a@b.org"}
    ),
    Case("POST /membershipInvitation", 400, "no team", {"inviteeId": "{bob_id}"}),
    Case(
        "POST /membershipInvitation", 400, "field of the server", INVITATION | {"createdBy": "1"}
    ),
    Case("POST /membershipInvitation", 403, "no TEAM_MEMBERSHIP_UPDATE", INVITATION, user="bob"),
    Case(
        "POST /membershipInvitation",
        403,
        "uncertified with e-mail",
        {"teamId": "{team_of_dave}", "inviteeEmail": "a@b.org"},
        user="dave",
    ),
    Case("GET /membershipInvitation/{invitation}", 200),
    Case("GET /membershipInvitation/{invitation}", 403, "another user", user="carol"),
    Case("GET /membershipInvitation/999999", 404, "unknown"),
    Case("DELETE /membershipInvitation/{new_invitation}", 204),
    Case("DELETE /membershipInvitation/999999", 204, "unknown"),
    Case(
        "POST /membershipRequest",
        201,
        body={"teamId": "{team}", "userId": "{carol_id}"},
        user="carol",
    ),
    Case("GET /team/{team}/acl", 200),
    Case("PUT /team/acl", 200, read="/team/{team}/acl"),
    Case("PUT /team/acl", 412, "stale etag", read="/team/{team}/acl", body={"etag": "x"}),
    Case("PUT /team/acl", 403, "no UPDATE", read="/team/{team}/acl", user="bob"),
    Case("POST /message", 201, body=MESSAGE),
    Case("POST /message", 400, "no recipient", MESSAGE | {"recipients": []}),
    Case(
        "POST /message",
        400,
        "unknown recipient",
        MESSAGE | {"recipients": ["999999"]},
        reason="not recognized",
    ),
    Case(
        "POST /message",
        400,
        "51 recipients",
        MESSAGE | {"recipients": [str(n) for n in range(51)]},
        reason="50",
    ),
    Case(
        "POST /message",
        403,
        "file handle of another",
        MESSAGE | {"fileHandleId": "{handle_of_bob}"},
    ),
    Case(
        "POST /message",
        429,
        "11 in a minute",
        MESSAGE,
        user="busy_sender",
        reason="Please slow down.  You may send a maximum of 10 message(s) every 60 second(s)",
    ),
    Case("GET /message/{message}", 200, user="bob"),
    Case("GET /message/inbox", 200, user="bob"),
    Case("GET /message/outbox", 200),
    Case(
        "PUT /message/status", 200, body={"messageId": "{message}", "status": "READ"}, user="bob"
    ),
]

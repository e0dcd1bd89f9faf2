"""Wikis of entities, evaluations and access requirements."""

from collections.abc import Iterator

from support.route_case import Case

INLINE = {"title": "{new_name}", "markdown": "text"}
IN_FILE = {"title": "{new_name}", "markdownFileHandleId": "{stored_handle}"}
STALE = {"etag": "x"}
#: Kind of the owner -> the user who may change its wiki. Of an access requirement, it is an admin.
EDITORS = {"entity": "alice", "evaluation": "alice", "access_requirement": "admin"}


def iter_cases(kind: str, user: str) -> Iterator[Case]:
    """Yield the cases of one kind of owner."""
    owner, empty = f"/{kind}/{{{kind}_of_wiki}}", f"/{kind}/{{{kind}_without_wiki}}"
    page, new_page = f"{{{kind}_wiki}}", f"{{new_{kind}_page}}"
    yield from _iter_creations(kind, user, owner, page)
    yield from _iter_updates(user, owner, page, new_page)
    reason = f"A root wiki does not exist for ownerId: N and ownerType: {kind.upper()}"
    yield Case(f"GET {empty}/wiki", 404, "no wiki", reason=reason)
    yield Case(f"GET {empty}/wiki/999999", 404, "no wiki", reason=reason)
    for tree in ("wikiheadertree", "wikiheadertree2"):
        yield Case(f"GET {owner}/{tree}", 200)
        yield Case(f"GET {owner}/{tree}?limit=51", 400, "limit")
        yield Case(f"GET {empty}/{tree}", 404, "no wiki")
    for path in (f"{owner}/wiki", f"{owner}/wiki2"):
        yield Case(f"GET {path}", 200)
        yield Case(f"GET {path}/{page}", 200)
        yield Case(f"GET {path}/{page}/attachmenthandles", 200)
        preview = f"{path}/{page}/attachmentpreview?fileName={{attachment_name}}"
        yield Case(f"GET {preview}", 404, "no preview", reason="no preview")
        attachment = f"{path}/{page}/attachment?fileName={{attachment_name}}"
        yield Case(f"GET {attachment}", 307)
        yield Case(f"GET {attachment}&redirect=false", 200)
    yield Case(f"GET {owner}/wiki2/{page}/markdown", 307)
    yield Case(f"GET {owner}/wiki2/{page}/markdown?redirect=false", 200)
    yield Case(f"GET {owner}/wiki2/{page}/wikihistory?limit=10&offset=0", 200)


def _iter_creations(kind: str, user: str, owner: str, page: str) -> Iterator[Case]:
    new, v1 = f"/{kind}/{{new_{kind}_without_wiki}}", f"{owner}/wiki"
    child = INLINE | {"parentWikiId": page}
    used = f"An owner already exists with the ownerId: N and ownerType: {kind.upper()}"
    yield Case(f"POST {new}/wiki", 201, body=INLINE, user=user)
    yield Case(f"POST {new}/wiki2", 201, body=IN_FILE, user=user)
    yield Case(f"POST {v1}", 201, "sub-page", child, user=user)
    yield Case(f"POST {v1}", 409, "second root page", INLINE, used, user)
    yield Case(f"POST {v1}", 403, "no CREATE on the owner", child, user="bob")
    if user != "admin":  # an administrator may use all file handles
        handle = {"attachmentFileHandleIds": ["{handle_of_bob}"]}
        yield Case(f"POST {v1}", 403, "file handle of another", child | handle, user=user)


def _iter_updates(user: str, owner: str, page: str, new_page: str) -> Iterator[Case]:
    hint, title = f"{owner}/wiki2orderhint", {"title": "t"}
    cycle = {"parentWikiId": new_page}
    for path in (f"{owner}/wiki", f"{owner}/wiki2"):
        one, new = f"{path}/{page}", f"{path}/{new_page}"
        yield Case(f"PUT {one}", 200, body=title, user=user, read=one)
        yield Case(f"PUT {one}", 412, "stale etag", STALE, user=user, read=one)
        yield Case(f"PUT {new}", 400, "cycle of parents", cycle, user=user, read=new)
        yield Case(f"PUT {path}/999999", 404, "unknown", INLINE, user=user)
        yield Case(f"DELETE {new}", 200, user=user)
    yield Case(f"PUT {owner}/wiki2/{page}/0", 200, user=user)
    yield Case(f"GET {hint}", 200)
    yield Case(f"PUT {hint}", 200, body={"idList": [page]}, user=user, read=hint)
    yield Case(f"PUT {hint}", 412, "stale etag", {"idList": []} | STALE, user=user, read=hint)


CASES = [case for kind, user in EDITORS.items() for case in iter_cases(kind, user)]

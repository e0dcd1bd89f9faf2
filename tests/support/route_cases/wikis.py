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
    owner, page, new_page = f"/{kind}/{{{kind}_of_wiki}}", f"{{{kind}_wiki}}", f"{{new_{kind}_page}}"
    empty, label = f"/{kind}/{{{kind}_without_wiki}}", f"ownerId: N and ownerType: {kind.upper()}"
    child = INLINE | {"parentWikiId": page}
    handle = {"attachmentFileHandleIds": ["{handle_of_bob}"]}
    no_wiki = f"A root wiki does not exist for {label}"
    used = f"An owner already exists with the {label}"
    v1, v2 = f"{owner}/wiki", f"{owner}/wiki2"
    new, unknown, hint = f"/{kind}/{{new_{kind}_without_wiki}}", "999999", f"{owner}/wiki2orderhint"

    yield Case(f"POST {new}/wiki", 201, body=INLINE, user=user)
    yield Case(f"POST {v1}", 201, "sub-page", child, user=user)
    yield Case(f"POST {v1}", 409, "second root page", INLINE, used, user)
    yield Case(f"POST {v1}", 403, "no CREATE on the owner", child, user="bob")
    if user != "admin":  # an administrator may use all file handles
        yield Case(f"POST {v1}", 403, "file handle of another", child | handle, user=user)
    yield Case(f"GET {v1}", 200)
    yield Case(f"GET {v1}/{page}", 200)
    yield Case(f"GET {empty}/wiki", 404, "no wiki", reason=no_wiki)
    yield Case(f"GET {empty}/wiki/{unknown}", 404, "no wiki", reason=no_wiki)
    yield Case(f"PUT {v1}/{page}", 200, read=f"{v1}/{page}", body={"title": "t"}, user=user)
    yield Case(f"PUT {v1}/{page}", 412, "stale etag", STALE, user=user, read=f"{v1}/{page}")
    cycle = {"parentWikiId": new_page}
    yield Case(f"PUT {v1}/{new_page}", 400, "cycle", cycle, user=user, read=f"{v1}/{new_page}")
    yield Case(f"PUT {v1}/{unknown}", 404, "unknown", INLINE, user=user)
    yield Case(f"DELETE {v1}/{new_page}", 200, user=user)
    for tree in ("wikiheadertree", "wikiheadertree2"):
        yield Case(f"GET {owner}/{tree}", 200)
        yield Case(f"GET {owner}/{tree}?limit=51", 400, "limit")
        yield Case(f"GET {empty}/{tree}", 404, "no wiki")
    yield Case(f"POST {new}/wiki2", 201, body=IN_FILE, user=user)
    yield Case(f"GET {v2}", 200)
    yield Case(f"GET {v2}/{page}", 200)
    yield Case(f"PUT {v2}/{page}", 200, read=f"{v2}/{page}", body={"title": "t"}, user=user)
    yield Case(f"PUT {v2}/{page}", 412, "stale etag", STALE, user=user, read=f"{v2}/{page}")
    yield Case(f"PUT {v2}/{page}/0", 200, user=user)
    yield Case(f"DELETE {v2}/{new_page}", 200, user=user)
    yield Case(f"GET {hint}", 200)
    yield Case(f"PUT {hint}", 200, read=hint, body={"idList": [page]}, user=user)
    yield Case(f"PUT {hint}", 412, "stale etag", {"idList": []} | STALE, user=user, read=hint)
    yield Case(f"GET {v2}/{page}/wikihistory?limit=10&offset=0", 200)
    for path in (v1, v2):
        yield Case(f"GET {path}/{page}/attachmenthandles", 200)
        preview = f"{path}/{page}/attachmentpreview?fileName={{attachment_name}}"
        yield Case(f"GET {preview}", 404, "no preview", reason="no preview")
    attachment = f"{page}/attachment?fileName={{attachment_name}}"
    for path in (f"{v1}/{attachment}", f"{v2}/{attachment}", f"{v2}/{page}/markdown?"):
        yield Case(f"GET {path}".rstrip("?"), 307)
        yield Case(f"GET {path}&redirect=false", 200)


CASES = [case for kind, user in EDITORS.items() for case in iter_cases(kind, user)]

"""Wikis with the official client; see official.py."""

import gzip
from pathlib import Path

import synapseclient
import synapseutils
from official import main
from synapseclient.core.exceptions import SynapseHTTPError
from synapseclient.models import WikiHeader, WikiHistorySnapshot, WikiOrderHint, WikiPage


def flat(syn, a):
    """Store, read, copy and delete pages with the functions of 2.x."""
    owner = a["project"]
    page = syn.store(
        synapseclient.Wiki(owner=owner, title="Home", markdown=a["text"], attachments=[a["file"]])
    )
    again = syn.store(synapseclient.Wiki(owner=owner, title="Again", markdown=a["text"]))
    sub = syn.store(
        synapseclient.Wiki(owner=owner, title="Sub", markdown="", parentWikiId=page.id)
    )
    plot = syn.store(
        synapseclient.Wiki(
            owner=owner, title="Plot", markdown="p", parentWikiId=sub.id, attachments=[a["file"]]
        )
    )
    found = syn.getWiki(owner)
    headers = [[each.title, each.get("parentId")] for each in syn.getWikiHeaders(owner)]
    names = [each.fileName for each in syn.getWikiAttachments(syn.getWiki(owner, plot.id))]
    copied = synapseutils.copyWiki(syn, owner, a["copy"])
    syn.delete(sub)
    try:
        syn.getWiki(owner, plot.id)
        gone = None
    except SynapseHTTPError as error:
        gone = str(error)
    return {
        "same": again.id == page.id,
        "title": found.title,
        "markdown": found.markdown,
        "old": syn.getWiki(owner, version=0).title,
        "headers": headers,
        "parents": [page.id, sub.id],
        "names": names,
        "copied": [each["title"] for each in copied],
        "gone": gone,
    }


def models(syn, a):
    """Store, read, reorder, restore and delete pages with the classes of 4.x."""
    owner, folder = a["project"], Path(a["folder"])
    root = WikiPage(owner_id=owner, title="Home", markdown=a["text"]).store()
    sub = WikiPage(
        owner_id=owner, title="Sub", markdown="first", parent_id=root.id, attachments=[a["file"]]
    ).store()
    changed = WikiPage(owner_id=owner, id=sub.id, title="Sub", markdown="second").store()
    history = [each.version for each in WikiHistorySnapshot.get(owner_id=owner, id=sub.id)]
    markdown = WikiPage(owner_id=owner, id=root.id).get_markdown_file(
        download_file=True, download_location=str(folder)
    )
    restored = WikiPage(owner_id=owner, id=sub.id, wiki_version="0").restore()
    hint = WikiOrderHint(owner_id=owner).get()
    hint.id_list = [root.id, sub.id]
    stored = hint.store()
    attached = WikiPage(owner_id=owner, id=sub.id).get_attachment_handles()["list"]
    headers = [each.title for each in WikiHeader.get(owner_id=owner)]
    WikiPage(owner_id=owner, id=sub.id).delete()
    return {
        "changed": changed.id == sub.id,
        "history": history,
        "markdown": Path(markdown).read_text(),
        "restored": restored.etag != changed.etag,
        "order": stored.id_list == [root.id, sub.id],
        "attached": [each["fileName"] for each in attached],
        "headers": headers,
        "left": [each.title for each in WikiHeader.get(owner_id=owner)],
    }


def read(syn, a):
    """Read a page that another client has stored."""
    page = syn.getWiki(a["project"])
    data = Path(page.markdown_path).read_bytes()
    return {
        "markdown": page.markdown,
        "file": gzip.decompress(data).decode(),
        "attached": [each.fileName for each in syn.getWikiAttachments(page)],
    }


def each(syn, a):
    """Run all functions, each with its own arguments: the start of a process takes a second."""
    return {one.__name__: one(syn, a[one.__name__]) for one in (flat, models, read)}


if __name__ == "__main__":
    main({"each": each})

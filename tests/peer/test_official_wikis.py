"""The official client stores and reads wikis, with both of its interfaces."""

from uuid import uuid4

import pytest

from synapse_workflows import Project, Wiki

TEXT = "# Bericht 📈\n\n*ä* `x` ${image?fileName=plot.png}\n"


@pytest.fixture
def projects(socket_client):
    """IDs of four projects of alice."""
    return [socket_client.store(Project(f"Wiki {uuid4()}")).id for _ in range(4)]


def test_wikis_of_the_official_client(driven, socket_client, projects, tmp_path):
    """One process: functions of 2.x, classes of 4.x, and a page that this client has stored."""
    image = tmp_path / "plot.png"
    image.write_text(f"{uuid4()}")
    first, copy, second, own = projects
    socket_client.store(Wiki(owner=own, title="t", markdown=TEXT, attachments=[image]))
    stored = {"text": TEXT, "file": str(image)}
    result = driven("official_wikis.py")(
        "each",
        flat={"project": first, "copy": copy, **stored},
        models={"project": second, "folder": str(tmp_path), **stored},
        read={"project": own},
    )
    check_functions(socket_client, result["flat"], copy)
    assert result["models"] == {
        "changed": True,
        "history": ["1", "0"],
        "markdown": TEXT,
        "restored": True,
        "order": True,
        "attached": ["plot.png"],
        "headers": ["Home", "Sub"],
        "left": ["Home"],
    }
    assert socket_client.getWiki(second).markdown == TEXT
    assert result["read"] == {"markdown": TEXT, "file": TEXT, "attached": ["plot.png"]}


def check_functions(syn, result, copy):
    root, sub = result.pop("parents")
    assert "does not exist" in result.pop("gone")
    assert result == {
        "same": True,
        "title": "Again",
        "markdown": TEXT,
        "old": "Home",
        "headers": [["Again", None], ["Sub", root], ["Plot", sub]],
        "names": ["plot.png"],
        "copied": ["Again", "Sub", "Plot"],
    }
    assert syn.getWiki(copy).markdown == TEXT
    headers = {each.title: each.id for each in syn.getWikiHeaders(copy)}
    (attachment,) = syn.getWikiAttachments(syn.getWiki(copy, headers["Plot"]))
    assert attachment.fileName == "plot.png"

"""The official client stores and reads wikis, with both of its interfaces."""

from uuid import uuid4

import pytest

from synapse_workflows import Project, Wiki

TEXT = "# Bericht 📈\n\n*ä* `x` ${image?fileName=plot.png}\n"


@pytest.fixture
def official(driven):
    """Run a command of official_wikis.py as a user."""
    return driven("official_wikis.py")


@pytest.fixture
def projects(socket_client):
    """IDs of two projects of alice."""
    return [socket_client.store(Project(f"Wiki {uuid4()}")).id for _ in range(2)]


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "plot.png"
    path.write_text(f"{uuid4()}")
    return path


def test_functions_of_the_2_x_interface(official, socket_client, projects, image):
    project, copy = projects
    result = official("flat", project=project, copy=copy, text=TEXT, file=str(image))
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
    assert socket_client.getWiki(copy).markdown == TEXT
    headers = {each.title: each.id for each in socket_client.getWikiHeaders(copy)}
    (attachment,) = socket_client.getWikiAttachments(socket_client.getWiki(copy, headers["Plot"]))
    assert attachment.fileName == "plot.png"


def test_classes_of_the_4_x_interface(official, socket_client, projects, image, tmp_path):
    result = official(
        "models", project=projects[0], text=TEXT, file=str(image), folder=str(tmp_path)
    )
    assert result == {
        "changed": True,
        "history": ["1", "0"],
        "markdown": TEXT,
        "restored": True,
        "order": True,
        "attached": ["plot.png"],
        "headers": ["Home", "Sub"],
        "left": ["Home"],
    }
    assert socket_client.getWiki(projects[0]).markdown == TEXT


def test_page_of_this_client_is_read(official, socket_client, projects, image):
    socket_client.store(Wiki(owner=projects[0], title="t", markdown=TEXT, attachments=[image]))
    assert official("read", project=projects[0]) == {
        "markdown": TEXT, "file": TEXT, "attached": ["plot.png"],
    }  # fmt: skip

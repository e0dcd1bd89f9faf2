"""The portal in Chromium: from the sign-in link along the addresses of clients and the graph."""

import webbrowser

import pytest
from support.chromium import launch_chromium, record_problems

from synapse_workflows import Activity, Folder, Project


@pytest.fixture
def open_by_client(socket_service, monkeypatch):
    """Return a function that returns the address that `onweb` opens."""
    addresses = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)

    def onweb(entity):
        socket_service.client("alice").onweb(entity)
        return addresses.pop()

    return onweb


def test_the_address_of_onweb_shows_the_entity_and_its_graph_to_those_who_signed_in(
    socket_service, open_by_client
):
    syn = socket_service.client("alice")
    project = syn.store(Project("Portal in Chromium"))
    raw, clean = (syn.store(Folder(name, parent=project)) for name in ("raw data", "clean data"))
    syn.setProvenance(clean, Activity(name="clean", used=[raw]))
    address = open_by_client(clean)
    with launch_chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_url("**/Synapse:*")
        assert page.locator("h1").inner_text() == "Not found"
        problems = record_problems(page)
        page.goto(socket_service.service_info["signInUrls"]["alice"])
        assert "token" not in page.url
        page.goto(address)
        page.wait_for_selector("#graph-canvas[data-ready]")
        assert page.locator("h1").inner_text() == "clean data"
        page.focus("#graph-canvas")
        for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):
            page.keyboard.press(key)
        assert page.locator("#graph-details h3").inner_text() == "raw data"
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/Synapse:{raw.id}/version/1")
        assert page.locator("h1").inner_text() == "raw data"
        page.get_by_role("button", name="Sign out").click()
        page.goto(address)
        page.wait_for_url("**/Synapse:*")
        assert page.locator("h1").inner_text() == "Not found"
    assert [each for each in problems if "404" not in each] == []


def test_fragments_do_not_lead_to_other_sites(socket_service):
    portal = socket_service.service_info["portalEndpoint"]
    with launch_chromium() as browser:
        page = browser.new_page()
        for fragment in ("//example.org/x", "Synapse://example.org", "javascript:x", "%"):
            page.goto("about:blank")
            page.goto(f"{portal}#!{fragment}")
            page.wait_for_timeout(100)
            assert page.url.startswith(portal)

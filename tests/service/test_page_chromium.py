"""Pages of graphs in Chromium, served with the content security policy of the module."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.chromium import launch_chromium, record_problems
from support.graphs import create_chain, create_fan

from synapse_workflows.drawing.page import CONTENT_SECURITY_POLICY, STATIC_DIR, render_page

GRAPHS = {"/small": create_chain(2), "/chain": create_chain(150), "/fan": create_fan(298)}
TYPES = {".js": "text/javascript", ".css": "text/css"}


class Handler(BaseHTTPRequestHandler):
    """Handler of requests for pages of graphs and their static files."""

    def do_GET(self):
        """Return a page or a static file."""
        if self.path in GRAPHS:
            content = render_page(GRAPHS[self.path], title="Lineage").encode()
            content_type = "text/html"
        else:
            file = STATIC_DIR / self.path.removeprefix("/static/")
            content, content_type = file.read_bytes(), TYPES[file.suffix]
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Write no log."""


@pytest.fixture(scope="module")
def url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    with launch_chromium() as browser:
        yield browser


@pytest.fixture
def open_page(browser, url):
    """Return a function that opens a page; at the end, the page must have had no problems."""
    with browser.new_context(viewport={"width": 1300, "height": 900}) as context:
        page = context.new_page()
        problems = record_problems(page)

        def open_path(path, scheme="light"):
            page.emulate_media(color_scheme=scheme)
            page.goto(url + path)
            page.wait_for_selector("#graph-canvas[data-ready]")
            return page

        yield open_path
        assert problems == []


@pytest.mark.parametrize("path", GRAPHS)
def test_3_and_300_nodes_are_drawn_in_less_than_5_seconds(open_page, path):
    page = open_page(path)
    duration = "performance.getEntriesByName('provenance-drawing')[0].duration"
    assert page.evaluate(duration) < 5000
    assert page.locator(".graph-static").is_hidden()
    assert page.locator(".graph-list > li").count() == len(GRAPHS[path].nodes)


def test_keys_follow_edges_and_show_the_details_of_nodes(open_page):
    page = open_page("/small")
    details = page.locator("#graph-details")
    page.focus("#graph-canvas")
    for key, label in [
        ("ArrowDown", "flow.py"), ("ArrowRight", "flow.task_0"), ("ArrowRight", "table 1"),
        ("ArrowLeft", "flow.task_0"), ("ArrowLeft", "table 0"), ("ArrowLeft", "table 0"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert details.locator("h3").inner_text() == label
    assert details.locator("h3 a").get_attribute("href") == "https://example.org/Synapse:syn0"
    page.keyboard.press("Escape")
    assert details.is_hidden()


def test_the_search_filters_the_list(open_page):
    page = open_page("/chain")
    page.fill("#graph-search", "Table 149")
    assert page.locator("#graph-found").inner_text() == "1 found"
    assert page.locator(".graph-list > li:visible h3").all_inner_texts() == ["table 149"]


def test_colours_follow_the_setting_of_the_viewer_and_of_the_page(open_page):
    page = open_page("/small", "dark")
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(13, 17, 23)"
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert page.evaluate(background) == "rgb(255, 255, 255)"


def test_without_javascript_the_static_drawing_and_the_list_are_shown(browser, url):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{url}/small")
        assert page.locator(".graph-static svg a").count() == 3
        assert page.locator("#graph-canvas:visible, .graph-tools:visible").count() == 0
        assert page.locator(".graph-list > li").count() == 4

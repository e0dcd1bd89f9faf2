import pytest

from synapse_workflows.drawing.url_node import create_url_node

FLOW = f"file:///dags/flow.py#sha256={'0' * 64}"


@pytest.mark.parametrize(
    ("url", "name", "label", "detail"),
    [
        ("https://example.org/a/raw.csv", None, "raw.csv", "https://example.org/a/raw.csv"),
        (
            "https://example.org/raw.csv?v=1",
            "raw data",
            "raw data",
            "https://example.org/raw.csv?v=1",
        ),
        ("https://example.org", "", "https://example.org", "https://example.org"),
        ("http://[invalid/raw.csv", None, "raw.csv", "http://[invalid/raw.csv"),
        (FLOW, "flow.py (sha256 0000000000)", "flow.py", "sha256 0000000000"),
        (FLOW, None, "flow.py", FLOW),
    ],
)
def test_a_url_has_a_short_label(url, name, label, detail):
    node = create_url_node("1", url, name, is_code=False)
    assert (node.kind, node.label, node.detail, node.url) == ("url", label, detail, url)


def test_executed_urls_are_code():
    assert create_url_node("1", FLOW, None, is_code=True).kind == "code"

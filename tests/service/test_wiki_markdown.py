"""Conversion of Markdown to HTML: widgets of Synapse, and no active content."""

import pytest

from synapse_workflows.local.domain.portal.wiki_markdown import render_markdown

URL = "/Wiki:syn1/ENTITY/5/attachment?fileName="


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# Über *uns*", "<h1>Über <em>uns</em></h1>"),
        ("a|b\n-|-\n1|2", "<td>1</td>"),
        ("~~old~~", "<s>old</s>"),
        ("[x](https://example.org/a?b&c)", '<a href="https://example.org/a?b&amp;c">x</a>'),
        ("${image?fileName=a b%25.png&altText=A%20b}",
         f'<img src="{URL}a%20b%25.png" alt="A b">'),
        ("see ${image?fileName=x.png&align=None}!", f'see <img src="{URL}x.png" alt="x.png">!'),
        ("${attachment?fileName=t.csv}", f'<a href="{URL}t.csv">t.csv</a>'),
        ("${toc?x=1}", "<code>${toc?x=1}</code>"),
        ("`${image?fileName=x.png}`", "<code>${image?fileName=x.png}</code>"),
        ("costs $5 and ${x}", "<p>costs $5 and ${x}</p>"),
    ],
)  # fmt: skip
def test_markdown_is_converted(text, html):
    assert html in render_markdown(text, URL)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](javascript:alert(1))",
        "[x](data:text/html,<script>)",
        '${image?fileName=x.png&altText="><script>alert(1)</script>}',
        '${image?fileName="onerror="alert(1)}',
        "${video?src=<script>}",
    ],
)  # fmt: skip
def test_active_content_is_escaped(text):
    html = render_markdown(text, URL)
    for word in (
        "<script",
        "<img src=x",
        'href="javascript',
        'src="javascript',
        'href="data',
        '"onerror',
    ):
        assert word not in html, html

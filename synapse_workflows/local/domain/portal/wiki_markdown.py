"""Conversion of the Markdown of wiki pages to safe HTML.

HTML in the Markdown is shown as text, and links with the scheme `javascript:` are no links. The
images and attachments of Synapse (`${image?fileName=plot.png}`) refer to the attachments of the
page; other widgets of Synapse are shown as text.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_WIDGET: Final = re.compile(r"\$\{(?P<name>[A-Za-z]+)\?(?P<query>[^{}\n]*)\}")
_URL_KEY: Final = "attachment_url"


def render_markdown(text: str, attachment_url: str) -> Markup:
    """Convert Markdown to HTML.

    Args:
        text: The Markdown.
        attachment_url: URL of an attachment of the page, to which its file name is appended.
    """
    html = _get_parser().render(text, {_URL_KEY: attachment_url})
    return Markup(html)  # noqa: S704 - the parser escapes the text


@cache
def _get_parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.inline.ruler.push("widget", _parse_widget)
    parser.add_render_rule("widget", _render_widget)
    return parser


def _parse_widget(state: "StateInline", silent: bool) -> bool:
    """Parse a widget of Synapse, as a rule of the parser."""
    match = _WIDGET.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        token = state.push("widget", "", 0)
        token.content = match[0]
        token.meta = {"name": match["name"].lower(), "query": match["query"]}
    state.pos = match.end()
    return True


def _render_widget(
    _renderer: "RendererHTML", tokens: Sequence["Token"], index: int, _options: Any, env: Any
) -> str:
    """Return the HTML of a widget, as a rule of the renderer."""
    token = tokens[index]
    values = {key.lower(): each[-1] for key, each in parse_qs(token.meta["query"]).items()}
    name = values.get("filename")
    if name is None or token.meta["name"] not in {"image", "attachment", "preview"}:
        return f"<code>{escape(token.content)}</code>"
    url = escape(f"{env[_URL_KEY]}{quote(name, safe='')}")
    if token.meta["name"] == "image":
        return f'<img src="{url}" alt="{escape(values.get("alttext", name))}">'
    return f'<a href="{url}">{escape(name)}</a>'

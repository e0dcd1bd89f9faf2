from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from support.graphs import create_chain, graphs

from synapse_workflows.drawing.graph import Graph, Node, is_link
from synapse_workflows.drawing.svg import render_svg


def parse(svg):
    return ET.fromstring(svg)  # noqa: S314 - made here


SVG = "{http://www.w3.org/2000/svg}"


@given(graphs())
def test_any_graph_is_well_formed_xml_with_a_link_per_http_url(graph):
    root = parse(render_svg(graph).encode())
    assert root.tag == f"{SVG}svg"
    assert len(root.findall(f".//{SVG}g[@transform]")) == len(graph.nodes)
    links = [link.get("href") for link in root.iter(f"{SVG}a")]
    assert sorted(links) == sorted(node.url for node in graph.nodes if is_link(node.url))


def test_title_description_and_tooltips_are_accessible_names():
    root = parse(render_svg(create_chain(2), title="A < B", description="Run of today"))
    assert root.get("aria-labelledby") == "graph-title graph-description"
    texts = [element.text for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")]
    assert texts == ["A < B", "Run of today"]
    tooltips = [title.text for title in root.findall(f".//{SVG}g[@transform]/{SVG}title")]
    assert "table 0\nsyn0.1" in tooltips


def test_the_default_description_counts_nodes_and_edges():
    assert "Graph of 4 nodes and 3 edges." in render_svg(create_chain(2))


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_the_theme_selects_the_colours_of_the_contained_css(theme):
    svg = render_svg(create_chain(2), theme=theme)
    assert f'class="provenance-graph {theme}"' in svg
    assert "prefers-color-scheme: dark" in svg


def test_scripts_in_texts_are_escaped_and_forbidden_characters_are_replaced():
    svg = render_svg(Graph((Node("x", "entity", "<script>\x00\ud800\u202e"),)))
    assert "<script" not in svg
    svg.encode()
    parse(svg)

import pytest

from synapse_workflows.drawing.graph import Edge, Node
from synapse_workflows.drawing.labels import format_lines, format_role, format_tooltip, shorten


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short.csv", "short.csv"),
        ("measurements_of_2026_final.csv", "measurements_of…inal.csv"),
        ("a\nb\t c\x00d", "a b c d"),
        ("測定値の表の最終版のファイル.csv", "測定値の表の最…イル.csv"),
    ],
)
def test_long_texts_are_shortened_in_the_middle(text, expected):
    assert shorten(text, 24) == expected


def test_a_node_without_a_label_shows_its_id():
    assert format_lines(Node("syn1.2", "entity", "")) == ("syn1.2", "Entity")
    assert format_lines(Node("x", "code", "f.py", "0f3a")) == ("f.py", "Code · 0f3a")


def test_tooltips_are_not_shortened_and_contain_gaps():
    node = Node("x", "entity", "y" * 80, "syn1", gaps=("Version unknown.",))
    assert format_tooltip(node) == f"{'y' * 80}\nsyn1\nGap: Version unknown."


def test_an_edge_shows_its_label_or_its_role():
    assert format_role(Edge("a", "b", "gap")) == "not exactly known"
    assert format_role(Edge("a", "b", "used", "copied from")) == "copied from"

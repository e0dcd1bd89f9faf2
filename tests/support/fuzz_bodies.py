"""Hypothesis strategies for malformed JSON request bodies."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st


def request_bodies(
    fields: Sequence[str], words: Sequence[str]
) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for JSON objects with known field names and arbitrary values.

    Args:
        fields: Names of properties that the service reads.
        words: Strings that are valid values of some properties, for example types and IDs.
    """
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from(words)
        | st.text(max_size=20)
    )
    names = st.sampled_from(fields)
    values = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
        max_leaves=12,
    )
    return st.dictionaries(names, values, max_size=8)

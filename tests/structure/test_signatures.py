"""Tests of the public methods: each documents its arguments and its REST calls."""

from inspect import isfunction

import pytest

from synapse_workflows import Synapse

METHODS = [name for name, value in vars(Synapse).items() if isfunction(value) and name[0] != "_"]


@pytest.mark.parametrize("name", METHODS)
def test_method_documents_arguments_and_rest_calls(name):
    method = getattr(Synapse, name)
    assert method.__name__ == name
    assert "Args:" in method.__doc__
    assert "Source:" in method.__doc__

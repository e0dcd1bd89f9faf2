"""The pages of the reference: complete, and with an example of each class."""

import re
from importlib import import_module

import pytest

import synapse_workflows
from synapse_workflows.docs import conf
from synapse_workflows.docs.code_examples import DOCS, find_example
from synapse_workflows.docs.reference_pages import (
    list_classes,
    render_class_example,
    render_example,
    render_page,
)
from synapse_workflows.provider_info import get_provider_info

KINDS = ("operators", "sensors", "triggers", "hooks")
CLASSES = {path: (kind, cls) for kind in KINDS for path, cls in list_classes(kind).items()}
PAGES = {path.stem: path for path in sorted((DOCS / "reference").iterdir())}


@pytest.fixture(scope="module")
def pages():
    return {name: render_page(path.read_text()) for name, path in PAGES.items()}


@pytest.mark.parametrize("path", CLASSES)
def test_a_class_has_an_example(path):
    example = render_class_example(CLASSES[path][1])
    assert "Example, from" in example
    assert len(example.splitlines()) > 4


@pytest.mark.parametrize("path", CLASSES)
def test_a_class_documents_its_arguments_and_its_templated_fields(path, pages):
    kind, cls = CLASSES[path]
    section = pages[kind].partition(f"\n{cls.__name__}\n---")[2]
    assert section.lstrip("-\n").startswith(f".. autoclass:: {path}")
    for field in getattr(cls, "template_fields", ()):
        assert f"``{field}``" in section.partition("Example, from")[0]
    if cls.__doc__ and "__init__" in vars(cls):
        assert "Args:" in cls.__doc__ or "Mixin" in cls.__name__


def test_every_public_name_is_documented(pages):
    text = "\n".join(pages.values())
    documented = set(re.findall(r"\.\. auto\w+:: synapse_workflows\.(\w+)$", text, re.MULTILINE))
    documented |= set(vars(import_module("synapse_workflows.client.errors")))  # `automodule`
    assert set(synapse_workflows.__all__) - documented == set()


def test_every_method_of_the_client_is_documented(pages):
    documented = set(
        re.findall(r"automethod:: synapse_workflows\.Synapse\.(\w+)", pages["client"])
    )
    public = {name for name in vars(synapse_workflows.Synapse) if name[0] != "_"}
    assert public - documented == set()


def test_every_public_operator_is_in_the_provider_metadata():
    ends = {"Operator": "operators", "Sensor": "sensors", "Trigger": "triggers"}
    listed = {path.rpartition(".")[2] for path in CLASSES}
    public = {name for name in synapse_workflows.__all__ if name.endswith(tuple(ends))}
    assert public - listed == set()


def test_commands_fields_and_options_are_documented(pages):
    assert {"synapse-workflows serve", "synapse-workflows provenance check"} <= set(
        pages["command_line"].splitlines()
    )
    info = get_provider_info()
    for field in info["connection-types"][0]["conn-fields"]:
        assert f"``{field}``" in pages["connection"]
    for option in info["config"]["synapse"]["options"]:
        assert f"[synapse] {option}\n" in pages["connection"]


def test_the_example_of_a_decorator_is_the_whole_function():
    example = find_example("synapse_sts")
    assert example.text.startswith("@task.synapse_sts(")
    assert "def " in example.text


def test_an_unknown_name_is_an_error_that_says_where_an_example_belongs():
    with pytest.raises(LookupError, match=r"No example of SynapseNothing.*dags_examples"):
        render_example("SynapseNothingOperator")


def test_the_site_has_the_version_of_the_package():
    assert conf.release == synapse_workflows.__version__

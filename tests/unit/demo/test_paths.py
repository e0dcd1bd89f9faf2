"""The directory of the example DAGs."""

from synapse_workflows.demo import paths


def test_the_examples_are_found():
    folder = paths.examples_dir()
    assert len(list(folder.glob("0*.py"))) >= 3
    assert (folder / "data" / "SOURCE.md").is_file()

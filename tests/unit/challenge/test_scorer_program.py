"""Tests of validators and scorers: functions and commands."""

import functools
import importlib.util
import sys
from pathlib import Path

import pytest

from synapse_workflows.challenge.scorer_process import ScorerError
from synapse_workflows.challenge.scorer_program import (
    ScorerCommand,
    ScorerFunction,
    ScoringInputs,
    parse_program,
    resolve_command,
)
from synapse_workflows.challenge.submission_evaluation import Evaluator


@pytest.fixture
def inputs(tmp_path):
    for name in ("predictions", "goldstandard"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.txt").write_text(name)
    return ScoringInputs(
        tmp_path,
        tmp_path / "predictions/file.txt",
        tmp_path / "goldstandard/file.txt",
        {"id": "1", "entity_id": "syn1", "image": None},
    )


def evaluate(scorer, inputs, **options):
    evaluator = Evaluator(parse_program(scorer, "scorer"), **options)
    return evaluator.evaluate(inputs, lambda: None)


@pytest.fixture
def dag_module(tmp_path):
    """Function that imports a file as Airflow imports DAG files: under a name of its own."""
    names = []

    def load(text):
        path = tmp_path / "dag_file.py"
        path.write_text(text)
        name = "unusual_prefix_0123_dag_file"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        names.append(name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in names:
        sys.modules.pop(name, None)


DAG_FILE = """
import json
from dataclasses import dataclass
from pathlib import Path

NUMBERS = (one for one in range(3))  # a generator cannot be serialized
LIMIT = 3

@dataclass
class Counter:
    n: int = 0

    def add(self, number):
        self.n += number
        return self

def measure(path):
    return Counter().add(len(Path(path).read_text())).n

def score(predictions, goldstandard: Path) -> dict:
    return {"size": measure(predictions), "limit": LIMIT, "name": goldstandard.name}

def use_generator(predictions):
    return {"size": next(NUMBERS)}
"""


def test_function_of_a_dag_file_uses_its_module(dag_module, inputs):
    module = dag_module(DAG_FILE)
    assert evaluate(module.score, inputs).scores == {"size": 11, "limit": 3, "name": "file.txt"}
    assert sys.modules[module.__name__] is module


def test_function_that_cannot_be_serialized(dag_module, inputs):
    with pytest.raises(ScorerError, match="to another process") as raised:
        evaluate(dag_module(DAG_FILE).use_generator, inputs)
    assert raised.value.is_permanent


def test_lambda_partial_and_callable_object(inputs):
    class Scorer:
        def __call__(self, predictions):
            return {"n": len(predictions.read_text())}

    def score(factor, predictions):
        return {"n": factor * len(predictions.read_text())}

    for scorer in (
        lambda predictions: {"n": len(predictions.read_text())},
        functools.partial(score, 1),
        Scorer(),
    ):
        assert evaluate(scorer, inputs).scores == {"n": 11}


def test_numpy_values_are_numbers(inputs):
    def score(predictions):
        import numpy as np

        return {"a": np.float64(0.5), "n": np.int64(3), "folds": np.array([1.0, 2.0])}

    scores = evaluate(score, inputs).scores
    assert scores == {"a": 0.5, "n": 3, "folds": [1.0, 2.0]}
    assert type(scores["n"]) is int


@pytest.mark.parametrize("value", [{1, 2}, object(), 1 + 2j, Path("x")])
def test_values_that_are_not_json_are_errors(inputs, value):
    with pytest.raises(ScorerError, match="not JSON") as raised:
        evaluate(lambda predictions: {"a": value, "p": str(predictions)}, inputs)
    assert raised.value.is_permanent


def test_function_gets_what_its_parameters_name(inputs):
    def score(*, submission, image, goldstandard):
        return {"n": 1, "id": submission["id"], "gold": goldstandard.read_text(), "i": str(image)}

    assert evaluate(score, inputs).scores == {
        "n": 1,
        "id": "1",
        "gold": "goldstandard",
        "i": "None",
    }


@pytest.mark.parametrize(
    "value",
    [
        lambda predictions, other: {"n": predictions, "m": other},
        lambda pred, gold: {"n": pred, "m": gold},
        "",
        [],
        3,
        ["score.py", 1],
        b"score.py",
    ],
)
def test_invalid_programs(value):
    with pytest.raises(ValueError, match="Invalid scorer"):
        parse_program(value, "scorer")


def test_coroutine_functions_are_invalid():
    async def score(predictions):
        return {}

    with pytest.raises(ValueError, match="coroutine"):
        parse_program(score, "scorer")


def without_file(inputs, image=None):
    submission = {**inputs.submission, "image": image, "entity_version": 2}
    submission["entity_type"] = "Folder" if image is None else "DockerRepository"
    return ScoringInputs(inputs.folder, None, inputs.goldstandard, submission)


def test_image_without_predictions_needs_a_parameter_for_it(inputs):
    docker = without_file(inputs, "a/b@sha256:1")
    with pytest.raises(ScorerError, match=r"a/b@sha256:1 has no file .* predictions="):
        evaluate(lambda predictions: {"n": predictions}, docker)
    scores = evaluate(lambda image: {"n": 1, "image": image}, docker).scores
    assert scores == {"n": 1, "image": "a/b@sha256:1"}


def test_validator_may_refuse_an_image(inputs):
    validator = parse_program(lambda image: ["no images"] if image else [], "validator")
    docker = without_file(inputs, "a/b@sha256:1")
    evaluation = evaluate(lambda predictions: {"n": predictions}, docker, validator=validator)
    assert (evaluation.status, evaluation.reasons) == ("INVALID", ["no images"])


def test_folder_is_invalid_where_a_file_is_expected(inputs):
    folder = without_file(inputs)
    for scorer in (lambda predictions: {"n": predictions}, "score.py", lambda image: {"n": image}):
        evaluation = evaluate(scorer, folder)
        assert evaluation.status == "INVALID"
        assert evaluation.reasons == ["The submitted entity syn1.2 is a Folder, not a file"]
        assert evaluation.results.stat().st_size
        assert evaluation.log.stat().st_size
    scores = evaluate(lambda submission: {"n": submission["entity_version"]}, folder).scores
    assert scores == {"n": 2}


def test_command_gets_the_image(inputs):
    image = "docker.synapse.org/syn1/model@sha256:1"
    docker = ScoringInputs(inputs.folder, None, inputs.goldstandard, {"id": "7", "image": image})
    command = ScorerCommand(["score"])
    assert command.create_command(docker, inputs.folder / "results.json") == [
        *("score", "-g", "goldstandard/file.txt", "-o", "results.json")
    ]
    assert command.create_environment(docker) == {"SUBMISSION_ID": "7", "SUBMISSION_IMAGE": image}


def test_scripts_are_beside_the_dag_file(tmp_path):
    script = tmp_path / "scripts" / "score.py"
    script.parent.mkdir()
    script.touch()

    def resolve(*words):
        command = resolve_command(
            ScorerCommand(words), tmp_path, lambda entity: Path(f"/{entity}.py")
        )
        return list(command.words)

    assert resolve("scripts/score.py", "--task", "1") == [
        sys.executable,
        str(script),
        "--task",
        "1",
    ]
    assert resolve("python3", "scripts/score.py") == ["python3", str(script)]
    assert resolve("Rscript", "syn123.4") == ["Rscript", "/syn123.4.py"]
    with pytest.raises(ScorerError, match=r"Script not found: missing\.py"):
        resolve("missing.py")


def test_command_of_text_is_split():
    assert parse_program("score.py --name 'a b'", "scorer") == ScorerCommand(
        ["score.py", "--name", "a b"]
    )
    assert ScorerFunction(len).name == "len"

"""Validators and scorers: a Python function, or a command with the options -p, -g and -o."""

import inspect
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final, Protocol

from synapse_workflows.challenge.scorer_process import ScorerError
from synapse_workflows.client.model.ids import is_synapse_id
from synapse_workflows.lineage.code_files import unwrap_function

_RUNNER: Final = Path(__file__).with_name("callable_runner.py")
#: Parameters of a function, by the inputs that they receive.
INPUT_NAMES: Final = ("predictions", "goldstandard", "submission", "image")


@dataclass(frozen=True)
class ScoringInputs:
    """Inputs of a validator and a scorer.

    Args:
        folder: Scratch directory; the working directory of the process.
        predictions: The submitted file below `folder`; None for a submission without a file.
        goldstandard: The gold standard below `folder`: a file, or a directory of several files.
        submission: The submission: `id`, `name`, `evaluation_id`, `entity_id`, `entity_version`,
            `entity_type`, `user_id`, `team_id`, `submitter_alias` and `image`.
    """

    folder: Path
    predictions: Path | None
    goldstandard: Path
    submission: Mapping[str, Any]

    @property
    def image(self) -> str | None:
        """The submitted Docker image as `repository@digest`; None for other submissions."""
        image: str | None = self.submission.get("image")
        return image


class ScorerProgram(Protocol):
    """A validator or a scorer."""

    @property
    def name(self) -> str:
        """Name for log messages."""

    @property
    def takes_image(self) -> bool:
        """Whether the program can run on a Docker image, without a file."""

    @property
    def needs_file(self) -> bool:
        """Whether the program cannot run on an entity that is neither a file nor an image."""

    def create_command(self, inputs: ScoringInputs, results: Path) -> list[str]:
        """Return the command that writes `results`, a JSON file in the scratch directory."""

    def create_environment(self, inputs: ScoringInputs) -> dict[str, str]:
        """Return the environment variables of the command."""


@dataclass(frozen=True)
class ScorerCommand:
    """A command that reads `-p predictions` and `-g goldstandard` and writes `-o results.json`.

    The paths are relative to the working directory. The environment contains `SUBMISSION_ID`, and
    `SUBMISSION_IMAGE` for a submitted Docker image; a submission without a file has no `-p`.

    Args:
        words: The command and its first arguments.
    """

    words: Sequence[str]

    @property
    def name(self) -> str:
        """The script, or the name of the program."""
        return Path(next((one for one in self.words if one.endswith(".py")), self.words[0])).name

    def list_files(self) -> list[Path]:
        """Return the absolute paths of files in the command, without the Python interpreter."""
        paths = [Path(word) for word in self.words if word != sys.executable]
        return [path for path in paths if path.is_absolute() and path.is_file()]

    @property
    def takes_image(self) -> bool:
        """True: a command gets a Docker image in `SUBMISSION_IMAGE`."""
        return True

    @property
    def needs_file(self) -> bool:
        """True: a command gets no ID of an entity."""
        return True

    def create_command(self, inputs: ScoringInputs, results: Path) -> list[str]:
        """Return the command with its options."""
        files = {"-p": inputs.predictions, "-g": inputs.goldstandard, "-o": results}
        options = [
            [option, str(path.relative_to(inputs.folder))]
            for option, path in files.items()
            if path is not None
        ]
        return [*self.words, *(word for option in options for word in option)]

    def create_environment(self, inputs: ScoringInputs) -> dict[str, str]:
        """Return the ID and the image of the submission."""
        image = {} if inputs.image is None else {"SUBMISSION_IMAGE": inputs.image}
        return {"SUBMISSION_ID": str(inputs.submission["id"]), **image}


@dataclass(frozen=True)
class ScorerFunction:
    """A Python function, called in a new process.

    Args:
        function: A function with some of the parameters `INPUT_NAMES`.
        arguments: Values of its other parameters.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the function."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    @property
    def takes_image(self) -> bool:
        """Whether the function has a parameter for the image or for the submission."""
        return self._has_parameter("image", "submission")

    @property
    def needs_file(self) -> bool:
        """Whether the function has no parameter for the submission."""
        return not self._has_parameter("submission")

    def create_command(self, inputs: ScoringInputs, results: Path) -> list[str]:
        """Serialize the function and its arguments; return the command that calls it.

        Raises:
            ScorerError: The function or an argument cannot be serialized.
        """
        values = {
            "predictions": inputs.predictions,
            "goldstandard": inputs.goldstandard,
            "submission": dict(inputs.submission),
            "image": inputs.image,
        }
        arguments = {**self._select(values), **self.arguments}
        payload = inputs.folder / f"{results.stem}.payload"
        payload.write_bytes(_serialize(self.function, arguments))
        return [sys.executable, "-P", str(_RUNNER), str(payload), str(results)]

    def create_environment(self, inputs: ScoringInputs) -> dict[str, str]:  # noqa: ARG002
        """Return the import path of the worker."""
        return {"PYTHONPATH": ":".join(one for one in sys.path if one)}

    def _has_parameter(self, *names: str) -> bool:
        return bool(self._select(dict.fromkeys(names)))

    def _select(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values for which the function has a parameter."""
        parameters = inspect.signature(self.function).parameters
        if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            return dict(values)
        return {name: value for name, value in values.items() if name in parameters}


def parse_program(value: Any, argument: str) -> ScorerProgram:
    """Parse the argument `validator` or `scorer`.

    Args:
        value: A function, also as `ScorerFunction`; or a command, as text or as a list of words.
        argument: Name of the argument, for error messages.

    Raises:
        ValueError: The value has another type, or the function has a parameter that gets no value.
    """
    if isinstance(value, ScorerFunction):
        return value
    if isinstance(value, str):
        words = shlex.split(value)
    elif isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
        words = list(value)
    elif callable(value):
        check_function(value, argument)
        return ScorerFunction(value)
    else:
        words = []
    if not words:
        raise ValueError(
            f"Invalid {argument} {value!r:.100}: expected a function, or a command such as "
            "'score.py' or ['python', 'score.py']"
        )
    return ScorerCommand(words)


def check_function(function: Callable[..., Any], argument: str, given: Sequence[str] = ()) -> None:
    """Check that each required parameter of a function gets a value.

    Args:
        function: The function.
        argument: Name of the argument that holds the function, for error messages.
        given: Names of parameters for which the caller has values.

    Raises:
        ValueError: It does not, or the function is a coroutine function.
    """
    if inspect.iscoroutinefunction(function):
        raise ValueError(
            f"Invalid {argument}: expected a plain function, not a coroutine function"
        )
    unknown = [
        one.name
        for one in inspect.signature(function).parameters.values()
        if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        and (one.kind is one.POSITIONAL_ONLY or one.default is one.empty)
        and (one.kind is one.POSITIONAL_ONLY or one.name not in (*INPUT_NAMES, *given))
    ]
    if unknown:
        raise ValueError(
            f"Invalid {argument}: its parameter {unknown[0]!r} gets no value. The parameters are "
            f"passed by name: {', '.join(INPUT_NAMES)}"
        )


def resolve_command(
    command: ScorerCommand, folder: Path, download: Callable[[str], Path]
) -> ScorerCommand:
    """Replace relative paths and Synapse IDs in a command by absolute paths.

    Args:
        command: The command.
        folder: Directory of the DAG file; paths may be relative to it.
        download: Downloads a script from Synapse and returns its path.

    Raises:
        ScorerError: The script does not exist.
    """
    words = [_resolve_word(word, folder, download) for word in command.words]
    if not words[0].endswith(".py"):
        return ScorerCommand(words)
    if not Path(words[0]).is_file():
        raise ScorerError(
            f"Script not found: {words[0]}. Give an absolute path, or a path relative to the "
            f"directory of the DAG file, {folder}",
            is_permanent=True,
        )
    return ScorerCommand([sys.executable, *words])


def _resolve_word(word: str, folder: Path, download: Callable[[str], Path]) -> str:
    if is_synapse_id(word):
        return str(download(word))
    path = folder / word
    return str(path.resolve()) if path.is_file() else word


def _serialize(function: Callable[..., Any], arguments: Mapping[str, Any]) -> bytes:
    """Serialize a function, with the code that another process cannot import."""
    import dill

    with _hidden_module(unwrap_function(function)):
        try:
            data: bytes = dill.dumps((function, dict(arguments)), recurse=True)
        except Exception as error:
            raise ScorerError(
                f"Cannot pass {function!r} to another process: {type(error).__name__}: {error}. "
                "The function must not use objects such as open files, locks or clients of the "
                "DAG file; create them in the function",
                is_permanent=True,
            ) from error
    return data


@contextmanager
def _hidden_module(function: Callable[..., Any]) -> Iterator[None]:
    """Make dill serialize the contents of a module that another process cannot import.

    dill serializes a function by its name if its module can be imported here. DAG files are
    imported under a name that exists in this process alone.
    """
    name = getattr(function, "__module__", None) or ""
    module = sys.modules.get(name)
    if module is None or name == "__main__" or _is_importable(name, module):
        yield
        return
    del sys.modules[name]
    try:
        yield
    finally:
        sys.modules[name] = module


def _is_importable(name: str, module: Any) -> bool:
    """Return whether a new process with the same import path finds the same file of a module."""
    path: Any = None
    spec = None
    parts = name.split(".")
    for number in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: number + 1]), path)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return spec is not None and spec.origin == getattr(module, "__file__", None)

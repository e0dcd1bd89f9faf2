"""Programs of a scoring task: scripts beside the DAG file or in Synapse, and their provenance."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from synapse_workflows.challenge.score_results import (
    describe_image,
    identify_programs,
    parse_executed,
)
from synapse_workflows.challenge.scorer_process import ScorerError
from synapse_workflows.challenge.scorer_program import (
    ScorerCommand,
    ScorerProgram,
    ScoringInputs,
    resolve_command,
)
from synapse_workflows.challenge.submission_evaluation import Evaluator

if TYPE_CHECKING:
    from synapse_workflows.hooks.synapse import SynapseHook

_FOLDER: Final = "programs"
_EXECUTABLE: Final = 0o700


class ProgramLoader:
    """Finds the scripts of commands.

    Args:
        hook: The hook.
        ti: The running task instance.
        folder: The scratch directory.
    """

    def __init__(self, hook: "SynapseHook", ti: Any, folder: Path) -> None:
        self.hook = hook
        self.ti = ti
        self.folder = folder / _FOLDER
        self.folder.mkdir()
        self._scripts: list[str] = []

    def load(self, evaluator: Evaluator) -> Evaluator:
        """Return the evaluator with absolute paths of its scripts.

        Raises:
            ScorerError: A script does not exist.
            SynapseNotFoundError: A script in Synapse does not exist.
        """
        validator = evaluator.validator
        return replace(
            evaluator,
            scorer=self._load(evaluator.scorer),
            validator=None if validator is None else self._load(validator),
        )

    def list_executed(
        self, evaluator: Evaluator, inputs: ScoringInputs, declared: Any
    ) -> list[Any]:
        """Return the code of the programs, a submitted image, and the declared code."""
        bundle = getattr(self.ti, "bundle_instance", None)
        programs = (evaluator.validator, evaluator.scorer)
        files = identify_programs(programs, self.ti.task, bundle, self.folder)
        image = [] if inputs.image is None else [describe_image(inputs.image)]
        return [*files, *self._scripts, *image, *parse_executed(declared)]

    def _load(self, program: ScorerProgram) -> ScorerProgram:
        if not isinstance(program, ScorerCommand):
            return program
        return resolve_command(program, Path(self.ti.task.dag.fileloc).parent, self._download)

    def _download(self, entity_id: str) -> Path:
        """Download a script from Synapse; it is recorded as executed, not as used."""
        with self.hook.without_lineage():
            reference = self.hook.get_file(entity_id)
        if reference["path"] is None:
            raise ScorerError(f"Invalid script {entity_id}: it has no file", is_permanent=True)
        path = self.folder / Path(reference["path"]).name
        shutil.copyfile(reference["path"], path)
        path.chmod(_EXECUTABLE)
        self._scripts.append(f"{reference['id']}.{reference['version']}")
        return path

"""Validation and scoring of one submission in a scratch directory."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from synapse_workflows.challenge.callable_runner import NOT_JSON
from synapse_workflows.challenge.score_contract import (
    parse_scores,
    parse_validation,
    read_json,
    require_results,
    to_validation_results,
)
from synapse_workflows.challenge.scorer_files import mask_text, replace_file
from synapse_workflows.challenge.scorer_process import (
    ScorerError,
    ScorerLimits,
    ScorerOutput,
    ScorerProcess,
    describe_exit,
)
from synapse_workflows.challenge.scorer_program import (
    ScorerCommand,
    ScorerProgram,
    ScoringInputs,
)

RESULTS_NAME: Final = "results.json"
LOG_NAME: Final = "log.txt"
#: Number of lines of the output of a program in the log of the task.
_LOGGED_LINES: Final = 200

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """Outcome of the evaluation of a submission.

    Args:
        status: `SCORED`, or `INVALID` if the validator has refused the submission.
        results: JSON file with the results.
        log: Text file with the output of the programs.
        scores: Scores by name; empty for an invalid submission.
        reasons: Why the submission is invalid.
    """

    status: Literal["SCORED", "INVALID"]
    results: Path
    log: Path
    scores: Mapping[str, Any] = field(default_factory=dict)
    reasons: Sequence[str] = ()


@dataclass(frozen=True)
class Evaluator:
    """Validator and scorer of the submissions to a challenge.

    Args:
        scorer: The scorer.
        validator: The validator; None to score every submission.
        limits: Limits of each of the two.
        metrics: Names of the scores that must be numbers; None if at least one score must be.
        environment: Environment variables of the programs.
    """

    scorer: ScorerProgram
    validator: ScorerProgram | None = None
    limits: ScorerLimits = field(default_factory=ScorerLimits)
    metrics: Sequence[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def evaluate(self, inputs: ScoringInputs, check: Callable[[], object]) -> Evaluation:
        """Validate a submission, and score it if it is valid.

        A submitted folder, project or table is invalid if a program needs a file.

        Args:
            inputs: The inputs of the programs.
            check: Called several times per second. An exception stops the programs.

        Raises:
            ScorerError: A program failed, exceeded a limit, or returned invalid results.
        """
        run = _EvaluationRun(self, inputs, check)
        reasons = run.find_wrong_type((self.validator, self.scorer))
        if reasons is None and self.validator is not None:
            reasons = run.validate(self.validator)
        if reasons is not None:
            return Evaluation("INVALID", run.results, run.log, reasons=reasons)
        return Evaluation("SCORED", run.results, run.log, scores=run.score(self.scorer))


class _EvaluationRun:
    """One evaluation, with its files.

    `results` has the results of the validator when the scorer starts, as scripts of today expect;
    the results of the scorer are added.
    """

    def __init__(
        self, evaluator: Evaluator, inputs: ScoringInputs, check: Callable[[], object]
    ) -> None:
        self.evaluator = evaluator
        self.inputs = inputs
        self.check = check
        self.results = inputs.folder / RESULTS_NAME
        self.log = inputs.folder / LOG_NAME
        self._log_text = ""
        #: Results of the validator.
        self._validation: dict[str, Any] = {}

    def _write_results(self, results: Mapping[str, Any]) -> None:
        replace_file(self.results, json.dumps(results, indent=2))

    def find_wrong_type(self, programs: Iterable[ScorerProgram | None]) -> list[str] | None:
        """Return why the submission is invalid if it is neither a file nor a Docker image."""
        inputs = self.inputs
        if inputs.predictions is not None or inputs.image is not None:
            return None
        if not any(one.needs_file for one in programs if one is not None):
            return None
        submission = inputs.submission
        entity = f"{submission['entity_id']}.{submission['entity_version']}"
        reason = f"The submitted entity {entity} is a {submission['entity_type']}, not a file"
        results = to_validation_results([reason], "the check of the submitted entity")
        self._write_results(results)
        replace_file(self.log, f"{reason}\n")
        return [reason]

    def validate(self, validator: ScorerProgram) -> list[str] | None:
        """Run the validator; return why the submission is invalid, or None."""
        returned = self._run(validator, "validator")
        if not isinstance(validator, ScorerCommand):
            returned = to_validation_results(returned, validator.name)
            self._write_results(returned)
        self._validation = require_results(returned, validator.name)
        return parse_validation(self._validation, validator.name)

    def score(self, scorer: ScorerProgram) -> dict[str, Any]:
        """Run the scorer; return the scores."""
        earlier = self._validation
        returned = require_results(self._run(scorer, "scorer"), scorer.name)
        if not isinstance(scorer, ScorerCommand):
            self._write_results({**earlier, **returned})
        elif earlier and returned == earlier:
            raise ScorerError(f"{scorer.name} added no results to {RESULTS_NAME}")
        return parse_scores(returned, scorer.name, self.evaluator.metrics)

    def _run(self, program: ScorerProgram, role: str) -> Any:
        """Run a program; return its results."""
        self._require_predictions(program)
        is_command = isinstance(program, ScorerCommand)
        target = self.results if is_command else self.inputs.folder / f"{role}.json"
        process = ScorerProcess(
            program.create_command(self.inputs, target),
            self.inputs.folder,
            {**program.create_environment(self.inputs), **self.evaluator.environment},
            self.evaluator.limits,
        )
        output = process.run(self.check)
        self._log_output(output, f"{role} {program.name}")
        if output.exit_code:
            is_not_json = not is_command and output.exit_code == NOT_JSON
            end = "returned a value that is not JSON" if is_not_json else None
            raise ScorerError(
                f"The {role} {program.name} {end or describe_exit(output.exit_code)}",
                output.last_lines,
                is_permanent=is_not_json,
            )
        return read_json(target, program.name)

    def _require_predictions(self, program: ScorerProgram) -> None:
        inputs = self.inputs
        if inputs.predictions is None and not program.takes_image:
            raise ScorerError(
                f"The submission {inputs.submission['id']} of {inputs.image} has no file for "
                f"{program.name}. Run the image in an upstream task and pass its output as "
                "predictions=, or use a function with the parameter image",
                is_permanent=True,
            )

    def _log_output(self, output: ScorerOutput, title: str) -> None:
        self._log_text += f"==== {title}\n"
        for name, text in (("output", output.stdout), ("errors", output.stderr)):
            if text:
                self._log_text += f"---- {name}\n{text.rstrip()}\n"
        replace_file(self.log, mask_text(self._log_text))
        lines = [*output.stdout.splitlines(), *output.stderr.splitlines()]
        for line in lines[-_LOGGED_LINES:]:
            _log.info("%s: %s", title, line)

"""Tests of SynapseScoreSubmissionOperator: status, scores, results and provenance."""

import json
from pathlib import Path

import pytest

from synapse_workflows import DockerRepository, Folder

VALIDATE = """
    import argparse, json
    parser = argparse.ArgumentParser()
    for name in "pgo":
        parser.add_argument(f"-{name}")
    args = parser.parse_args()
    errors = [] if open(args.p).read().startswith("id,") else ["The header is missing"]
    status = "INVALID" if errors else "VALIDATED"
    results = {"validation_status": status, "validation_errors": ";".join(errors)}
    json.dump(results, open(args.o, "w"))
    print(status)
"""
SCORE = """
    import argparse, json
    parser = argparse.ArgumentParser()
    for name in "pgo":
        parser.add_argument(f"-{name}")
    args = parser.parse_args()
    results = json.load(open(args.o))
    lines = open(args.p).read().splitlines()
    right = sum(a == b for a, b in zip(lines, open(args.g).read().splitlines()))
    results |= {"score_status": "SCORED", "score_errors": "", "right": right, "accuracy": 0.5}
    json.dump(results, open(args.o, "w"))
    print("SCORED")
"""


def score_lines(predictions: Path, goldstandard: Path) -> dict:
    right = set(predictions.read_text().splitlines()) & set(goldstandard.read_text().splitlines())
    return {"right": len(right), "accuracy": len(right) / 4, "method": "lines"}


def require_header(predictions: Path) -> list:
    return [] if predictions.read_text().startswith("id,") else ["The header is missing"]


def test_function_scores_a_submission(score, challenge, sources_of):
    submission = challenge.submit_text("id,1\na,1\nb,2\n")
    result, run = score(submission, scorer=score_lines, validator=require_header)
    assert result.state == "success", result.error
    value = run.value("score")
    assert value["status"] == "SCORED"
    assert value["scores"] == {"right": 3, "accuracy": 0.75, "method": "lines"}
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "SCORED"
    assert annotations["right"] == ("LONG", ["3"])
    assert annotations["accuracy"] == ("DOUBLE", ["0.75"])
    assert annotations["method"] == ("STRING", ["lines"])
    assert annotations["results_id"] == ("STRING", [value["results_id"]])
    assert annotations["results_version"] == ("LONG", ["1"])
    used, executed = sources_of(value["results_id"])
    assert sorted(used) == sorted([challenge.entity_of(submission), challenge.goldstandard])
    assert any("test_scores.py" in one for one in executed)


def test_command_scores_a_submission(score, challenge, script, sources_of):
    submission = challenge.submit_text("id,1\na,1\n")
    result, run = score(
        submission,
        validator=["python", script("validate.py", VALIDATE)],
        scorer=script("score.py", SCORE),
    )
    assert result.state == "success", result.error
    value = run.value("score")
    assert value["scores"] == {"right": 2, "accuracy": 0.5}
    stored = challenge.read(value["results_id"])
    assert json.loads(stored)["score_status"] == "SCORED"
    _, executed = sources_of(value["results_id"])
    assert sum("score.py#sha256=" in one or "validate.py#sha256=" in one for one in executed) == 2


@pytest.mark.parametrize("form", ["function", "command"])
def test_validator_makes_a_submission_invalid(score, challenge, script, form):
    submission = challenge.submit_text("nonsense")
    validator = require_header if form == "function" else script("validate.py", VALIDATE)
    result, run = score(submission, scorer=score_lines, validator=validator)
    assert result.state == "success", result.error
    value = run.value("score")
    assert (value["status"], value["scores"]) == ("INVALID", {})
    assert value["errors"] == ["The header is missing"]
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "INVALID"
    assert annotations["validation_errors"] == ("STRING", ["The header is missing"])
    assert "INVALID" in challenge.read(value["results_id"])


def count_lines(predictions: Path) -> dict:
    return {"lines": len(predictions.read_text().splitlines())}


def test_predictions_of_another_task(score, challenge, tmp_path, sources_of):
    submission = challenge.submit_text("id,1\n")
    path = tmp_path / "output.csv"
    path.write_text("a\nb\nc\n")
    _, run = score(submission, scorer=count_lines, predictions=str(path))
    value = run.value("score")
    assert value["scores"] == {"lines": 3}
    assert challenge.entity_of(submission) in sources_of(value["results_id"])[0]
    reference = challenge.put("other.csv", "a\nb\n")
    _, run = score(challenge.submit_text("id,1\n"), scorer=count_lines, predictions=path)
    stored = {"id": reference.split(".")[0], "version": 1, "name": "other.csv", "path": None}
    submission = challenge.submit_text("id,1\n")
    _, run = score(submission, scorer=count_lines, predictions=stored | {"md5": None})
    value = run.value("score")
    assert value["scores"] == {"lines": 2}
    used = sources_of(value["results_id"])[0]
    assert {challenge.entity_of(submission), reference} <= set(used)


def test_missing_predictions(score, challenge):
    submission = challenge.submit_text("id,1\n")
    result, _ = score(submission, scorer=count_lines, predictions="/missing/predictions.csv")
    assert result.state == "failed"
    assert "/missing/predictions.csv" in str(result.error)
    assert challenge.get_status(submission)[0]["status"] == "RECEIVED"


def test_goldstandard_of_several_files(score, challenge, sources_of):
    other = challenge.put("other.csv", "x\n")
    submission = challenge.submit_text("id,1\n")

    def count_files(predictions, goldstandard):
        names = sorted(path.name for path in goldstandard.iterdir())
        return {"files": len(names), "names": names}

    _, run = score(submission, scorer=count_files, goldstandard_id=[challenge.goldstandard, other])
    value = run.value("score")
    assert value["scores"] == {"files": 2, "names": ["goldstandard.csv", "other.csv"]}
    used = sources_of(value["results_id"])[0]
    assert {challenge.goldstandard, other} <= set(used)


def test_goldstandard_is_used_at_the_version_that_was_read(score, challenge, sources_of):
    entity = challenge.goldstandard.split(".")[0]
    challenge.put("goldstandard.csv", "id,1\n")
    _, run = score(challenge.submit_text("id,1\n"), scorer=score_lines, goldstandard_id=entity)
    assert f"{entity}.2" in sources_of(run.value("score")["results_id"])[0]
    _, run = score(
        challenge.submit_text("id,1\n"), scorer=score_lines, goldstandard_id=f"{entity}.1"
    )
    used = sources_of(run.value("score")["results_id"])[0]
    assert f"{entity}.1" in used
    assert f"{entity}.2" not in used


def test_scorer_does_not_change_the_goldstandard(score, challenge, worker):
    def change(predictions, goldstandard):
        goldstandard.write_text("changed")
        return {"n": 1}

    result, _ = score(challenge.submit_text("id,1\n"), scorer=change)
    assert result.state == "success", result.error
    _, run = score(challenge.submit_text("id,1\na,1\n"), scorer=score_lines)
    assert run.value("score")["scores"]["right"] == 2
    assert [path.read_text() for path in worker.rglob("goldstandard.csv")] == [
        "id,1\na,1\nb,2\nc,3\n"
    ]


def test_script_in_synapse(score, challenge, sources_of):
    text = "import json,sys; json.dump({'n': 1}, open(sys.argv[-1], 'w'))"
    script = challenge.put("score.py", text)
    _, run = score(challenge.submit_text("id,1\n"), scorer=script)
    value = run.value("score")
    assert value["scores"] == {"n": 1}
    used, executed = sources_of(value["results_id"])
    assert script in executed
    assert script not in used
    assert not any("score.py#" in one for one in executed)


def test_additional_code_and_images(score, challenge, sources_of):
    digest = "sha256:" + "0123" * 16
    _, run = score(
        challenge.submit_text("id,1\n"),
        scorer=score_lines,
        executed=[f"docker.synapse.org/syn1/scorer@{digest}", "https://example.org/code"],
    )
    executed = sources_of(run.value("score")["results_id"])[1]
    assert f"https://docker.synapse.org/v2/syn1/scorer/manifests/{digest}" in executed
    assert "https://example.org/code" in executed


def test_stored_files(score, challenge):
    def print_lines(predictions):
        import sys

        sys.stdout.write("a line of output")
        return {"n": 1}

    submission = challenge.submit_text("id,1\n", "mine.csv")
    _, run = score(submission, scorer=print_lines, store=["results", "logs", "predictions"])
    assert challenge.list_files(submission) == {"results.json": 1, "log.txt": 1}
    folder = challenge.syn.findEntityId(submission, challenge.project)
    predictions = challenge.syn.findEntityId("predictions", folder)
    assert challenge.read(challenge.syn.findEntityId("mine.csv", predictions)) == "id,1\n"
    log = challenge.read(challenge.syn.findEntityId("log.txt", folder))
    assert "a line of output" in log
    activities = {
        challenge.syn.getProvenance(entity)["id"]
        for entity in (
            run.value("score")["results_id"],
            challenge.syn.findEntityId("log.txt", folder),
            challenge.syn.findEntityId("mine.csv", predictions),
        )
    }
    assert len(activities) == 1
    only = challenge.submit_text("id,2\n")
    score(only, scorer=print_lines, store=["results"])
    assert challenge.list_files(only) == {"results.json": 1}


def test_another_evaluation_creates_a_version_with_its_own_sources(score, challenge, sources_of):
    submission = challenge.submit_text("id,1\n")
    score(submission, scorer=count_lines)
    challenge.update(submission, status="RECEIVED")
    other = challenge.put("other.csv", "id,1\n")
    _, run = score(submission, scorer=count_lines, goldstandard_id=other)
    value = run.value("score")
    assert value["results_version"] == 2
    assert other in sources_of(value["results_id"], 2)[0]
    assert challenge.goldstandard in sources_of(value["results_id"], 1)[0]


def test_environment_of_the_programs(score, challenge, script, monkeypatch, connection):
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", "secret-token")
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    token = json.loads(connection)["password"]

    def read_environment(predictions):
        import sys
        from pathlib import Path

        text = Path("/proc/self/environ").read_text() + str(sorted(Path.cwd().rglob("*")))
        payload = b"".join(path.read_bytes() for path in Path.cwd().glob("*.payload"))
        sys.stdout.write(text)
        return {"n": int(text.count(token) + payload.count(token.encode()) > 1)}

    submission = challenge.submit_text("id,1\n")
    result, run = score(submission, scorer=read_environment, env={"OWN": "value"})
    assert result.state == "success", result.error
    assert run.value("score")["scores"] == {"n": 0}
    folder = challenge.syn.findEntityId(submission, challenge.project)
    log = challenge.read(challenge.syn.findEntityId("log.txt", folder))
    assert "OWN=value" in log
    assert "secret-token" not in log
    assert "AIRFLOW" not in log


def test_scratch_directory_is_removed(score, challenge, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    score(challenge.submit_text("id,1\n"), scorer=score_lines)
    score(challenge.submit_text("id,1\n"), scorer=lambda predictions: predictions.missing)
    assert list(scratch.iterdir()) == []


def test_lineage_off_keeps_the_declared_provenance(score, challenge, sources_of):
    submission = challenge.submit_text("id,1\n")
    for mode in ("off", "declared"):
        challenge.update(submission, status="RECEIVED")
        _, run = score(submission, scorer=score_lines, lineage_mode=mode)
        value = run.value("score")
        used, executed = sources_of(value["results_id"], value["results_version"])
        assert set(used) == {challenge.entity_of(submission), challenge.goldstandard}
        assert any("test_scores.py" in one for one in executed)


def test_templates_of_a_command(score, challenge, script):
    text = "import json,sys; json.dump({'n': 1, 'run': sys.argv[1]}, open(sys.argv[-1], 'w'))"
    _, run = score(
        challenge.submit_text("id,1\n"), scorer=[script("score.py", text), "{{ run_id }}"]
    )
    assert run.value("score")["scores"] == {"n": 1, "run": run.run_id}


@pytest.fixture
def image(challenge):
    """Submitted Docker image, as submission ID and `repository@digest`."""
    repository = challenge.syn.store(
        DockerRepository("docker.example.org/team/model", parent=challenge.project)
    )
    digest = f"sha256:{'a1' * 32}"
    body = {"tag": "latest", "digest": digest}
    challenge.syn.restPOST(f"/entity/{repository.id}/dockerCommit", body)
    submission = challenge.syn.submit(challenge.id, repository.id)
    return submission.id, f"docker.example.org/team/model@{digest}"


def test_function_gets_a_submitted_image(score, challenge, image, sources_of):
    submission, name = image

    def run_image(image, submission):
        return {"n": 1, "image": image, "entity": submission["entity_id"]}

    result, run = score(submission, scorer=run_image)
    assert result.state == "success", result.error
    value = run.value("score")
    assert value["scores"]["image"] == name
    used, executed = sources_of(value["results_id"])
    assert challenge.entity_of(submission) in used
    digest = name.partition("@")[2]
    assert f"https://docker.example.org/v2/team/model/manifests/{digest}" in executed


def test_output_of_a_submitted_image_is_scored(score, challenge, image, tmp_path, sources_of):
    submission, name = image
    output = tmp_path / "predictions.csv"
    output.write_text("id,1\na,1\n")
    result, run = score(submission, scorer=count_lines, predictions=str(output))
    assert result.state == "success", result.error
    assert run.value("score")["scores"] == {"lines": 2}
    executed = sources_of(run.value("score")["results_id"])[1]
    assert any(name.partition("@")[2] in one for one in executed)


def test_submitted_image_without_predictions(score, challenge, image):
    result, _ = score(image[0], scorer=count_lines)
    assert result.state == "failed"
    assert f"of {image[1]} has no file for count_lines" in str(result.error)
    assert challenge.get_status(image[0])[0]["status"] == "RECEIVED"


def test_annotations_of_an_earlier_evaluation_are_replaced(score, challenge):
    submission = challenge.submit_text("id,1\n")
    challenge.annotate(submission, team=("STRING", "kept"))
    score(submission, scorer=score_lines)
    challenge.update(submission, status="RECEIVED")
    score(submission, scorer=count_lines)
    annotations = challenge.get_status(submission)[1]
    own = {"claim_id", "claimed_by"}
    results = {"results_id", "results_version"}
    assert annotations.keys() == own | results | {"team", "lines"}
    challenge.update(submission, status="RECEIVED")
    score(submission, scorer=count_lines, validator=lambda image: [f"no {image}"])
    annotations = challenge.get_status(submission)[1]
    assert annotations.keys() == own | results | {"team", "validation_errors"}
    challenge.update(submission, status="RECEIVED")
    score(submission, scorer=count_lines)
    challenge.update(submission, status="RECEIVED")
    challenge.cancel(submission)
    score(submission, scorer=count_lines)
    assert challenge.get_status(submission)[1].keys() == own | {"team", "validation_errors"}


def test_submitted_folder_is_invalid(score, challenge):
    folder = challenge.syn.store(Folder("predictions", parent=challenge.project))
    submission = challenge.syn.submit(challenge.id, folder).id
    result, run = score(submission, scorer=count_lines)
    assert result.state == "success", result.error
    assert run.value("score")["status"] == "INVALID"
    assert "is a Folder, not a file" in run.value("score")["errors"][0]

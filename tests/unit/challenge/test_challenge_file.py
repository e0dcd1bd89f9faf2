"""Challenge files: settings of a challenge, and errors that name the file and the key."""

import pytest

from synapse_workflows.challenge.challenge_file import ChallengeFileError, read_challenge_file
from synapse_workflows.demo.paths import examples_dir

MINIMAL = {
    "dag_id": "one",
    "queue": "9600001",
    "goldstandard": "syn1",
    "results": "syn2",
    "scorer": "score.py",
    "metrics": "{auc: descending}",
}


@pytest.fixture
def write(tmp_path):
    """Function that writes a challenge file with changed lines, and returns its path."""
    (tmp_path / "score.py").touch()

    def write_file(more="", **changes):
        lines = {key: value for key, value in (MINIMAL | changes).items() if value is not None}
        path = tmp_path / "challenge.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()) + more)
        return path

    return write_file


def test_defaults_and_paths_relative_to_the_file(write, tmp_path):
    settings = read_challenge_file(write())
    assert settings.queue == "9600001"
    assert settings.scorer == [str(tmp_path / "score.py")]
    assert settings.validator is None
    assert settings.metrics == {"auc": "descending"}
    assert (settings.quotas.max_claims, settings.quotas.enforce) == (100, True)
    assert settings.notification.organizers == []
    assert settings.leaderboard.best_per == "team"


def test_the_example_has_valid_settings():
    settings = read_challenge_file(examples_dir() / "04_challenge.yaml")
    assert settings.dag_id == "synapse_04_challenge"
    assert list(settings.metrics) == ["auc", "brier"]
    assert settings.notification.organizers == ["alice"]


def test_commands_of_other_programs(write, tmp_path):
    settings = read_challenge_file(write(scorer="[Rscript, score.py, --fast]"))
    assert settings.scorer == ["Rscript", str(tmp_path / "score.py"), "--fast"]
    assert read_challenge_file(write(scorer="syn123 --fast")).scorer == ["syn123", "--fast"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"qeue": "1"}, "unknown key 'qeue'; expected one of: dag_id, queue"),
        (
            {"quotas": "{limit: 3}"},
            "unknown key 'quotas.limit'; expected one of: enforce, max_per",
        ),
        ({"queue": None}, "the key 'queue' is missing"),
        ({"queue": "syn1"}, "invalid value 'syn1' of 'queue'"),
        ({"queue": "true"}, "invalid value True of 'queue'"),
        ({"goldstandard": "123"}, "invalid value 123 of 'goldstandard.0'"),
        ({"goldstandard": "[]"}, "'goldstandard'"),
        ({"results": "syn2.1"}, "invalid value 'syn2.1' of 'results'"),
        ({"metrics": "{auc: up}"}, "invalid value 'up' of 'metrics.auc': Input should be 'asc"),
        ({"metrics": "{}"}, "'metrics'"),
        ({"metrics": "auc"}, "invalid value 'auc' of 'metrics'"),
        ({"scorer": "missing.py"}, "'scorer': file not found: .*missing.py"),
        ({"scorer": "3"}, "'scorer': expected a command"),
        ({"scorer": '""'}, "'scorer': expected a command"),
        ({"lease": "0"}, "invalid value 0 of 'lease'"),
        ({"lease": "900s"}, "invalid value '900s' of 'lease'"),
        ({"lease": ".inf"}, "'lease'"),
        ({"lease": ".nan"}, "'lease'"),
        ({"time_limit": "-1"}, "'time_limit'"),
        ({"memory_limit": "1.5"}, "'memory_limit'"),
        ({"quotas": "{max_claims: 0}"}, "'quotas.max_claims'"),
        ({"quotas": '{enforce: "no"}'}, "'quotas.enforce'"),
        ({"quotas": "3"}, "invalid value 3 of 'quotas'"),
        ({"store": "[logs]"}, "'results' is missing"),
        ({"store": "[results, all]"}, "'store.1'"),
        ({"schedule": "often"}, "'schedule': expected a cron expression"),
        ({"on_expired": "retry"}, "'on_expired': Input should be 'release' or 'mark'"),
        ({"notification": "{organizers: ''}"}, "'notification.organizers.0'"),
        ({"leaderboard": "{best_per: user}"}, "'leaderboard.best_per'"),
        ({"dag_id": "one two"}, "invalid value 'one two' of 'dag_id'"),
    ],
)
def test_errors_name_the_file_and_the_key(write, changes, message):
    path = write(**changes)
    with pytest.raises(ChallengeFileError, match=message) as error:
        read_challenge_file(path)
    assert f"Invalid challenge file {path}: " in str(error.value)


def test_all_errors_are_listed(write):
    with pytest.raises(ChallengeFileError, match=r"'results': .*'lease': "):
        read_challenge_file(write(results="1", lease="x"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("queue: [", "is not valid YAML"),
        ("queue: 1\nqueue: 2\n", "the key 'queue' occurs twice"),
        ("metrics: {auc: ascending, auc: descending}", "the key 'auc' occurs twice"),
        ("", "contains None: expected keys and values"),
        ("- queue", "expected keys and values"),
        ("queue: !!python/object:os.system 1", "is not valid YAML"),
    ],
)
def test_files_without_settings_are_errors(tmp_path, text, message):
    path = tmp_path / "challenge.yaml"
    path.write_text(text)
    with pytest.raises(ChallengeFileError, match=message) as error:
        read_challenge_file(path)
    assert str(path) in str(error.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(ChallengeFileError, match="Cannot read the challenge file"):
        read_challenge_file(tmp_path / "none.yaml")

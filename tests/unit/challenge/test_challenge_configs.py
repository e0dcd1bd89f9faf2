"""Challenge configurations of orca-recipes: one file with a section for each challenge."""

import warnings
from datetime import UTC, datetime

import pytest

from synapse_workflows.challenge.challenge_file import ChallengeFileError, read_challenge_file

#: As of today, without the settings of `ChallengeSettings`.
TODAY = """\
olfactory-2025-task1:
  synapse_conn_id: SYNAPSE_ORCA_SERVICE_ACCOUNT_CONN
  aws_conn_id: AWS_TOWER_PROD_S3_CONN
  tower_conn_id: OLFACTORY_PROJECT_TOWER_CONN
  tower_view_id: syn64743570
  tower_run_name: olfactory-task1
  revision: 7c3d2f1
  challenge_profile: olfactory_task1
  bucket_name: olfactory-tower-bucket
  key: task1
  dag_config:
    schedule_interval: "*/3 * * * *"
    start_date: 2025-05-01
    end_date: "2025-08-31T23:00:00+00:00"
    default_args: {retries: 5}
    tags: [nextflow_tower]
"""
ADDED = """\
  evaluation_id: 9615534
  goldstandard: syn64000001.2
  results: syn64000002
  scorer: score.py
  metrics: {auc: descending}
"""


@pytest.fixture
def write(tmp_path):
    """Function that writes a file and returns its path."""
    (tmp_path / "score.py").touch()

    def write_file(text):
        path = tmp_path / "challenge_configs.yaml"
        path.write_text(text)
        return path

    return write_file


def test_a_section_with_the_added_keys_is_a_challenge(write):
    """Settings of the Nextflow run are not used; a warning lists them."""
    with pytest.warns(UserWarning, match="does not use aws_conn_id, tower_conn_id, .* key of"):
        settings = read_challenge_file(write(TODAY + ADDED))
    assert settings.dag_id == "olfactory-2025-task1"
    assert settings.connection == "SYNAPSE_ORCA_SERVICE_ACCOUNT_CONN"
    assert (settings.queue, settings.goldstandard) == ("9615534", ["syn64000001.2"])
    assert (settings.schedule, settings.retries) == ("*/3 * * * *", 5)
    assert settings.start_date == datetime(2025, 5, 1, tzinfo=UTC)
    assert settings.end_date == datetime(2025, 8, 31, 23, tzinfo=UTC)
    assert settings.tags == ["nextflow_tower"]


def test_a_file_of_today_names_the_keys_to_add(write):
    with pytest.raises(ChallengeFileError) as error:
        read_challenge_file(write(TODAY))
    for expected in (
        "'queue' is missing (the ID of the evaluation whose submissions the view syn64743570 li",
        "'scorer' is missing (it replaces the Nextflow run of 'aws_conn_id')",
        "'results' is missing",
        "'metrics' is missing",
    ):
        assert expected in str(error.value)


def to_task2(text):
    return text.replace("task1", "task2").replace("9615534", "9615535")


@pytest.mark.parametrize("top", ["", "challenges:\n"])
def test_one_of_several_challenges_is_selected(write, top):
    text = TODAY + ADDED + to_task2(TODAY + ADDED)
    indent = "  " if top else ""
    path = write(top + "".join(f"{indent}{line}\n" for line in text.splitlines()))
    with pytest.warns(UserWarning, match="olfactory-2025-task2"):
        assert read_challenge_file(path, "olfactory-2025-task2").queue == "9615535"
    names = "olfactory-2025-task1, olfactory-2025-task2"
    with pytest.raises(ChallengeFileError, match=f"select one of {names}, for example create_"):
        read_challenge_file(path)
    with pytest.raises(ChallengeFileError, match=f"no challenge 'final'; expected one of {names}"):
        read_challenge_file(path, "final")


def test_sections_may_share_keys_by_an_anchor(write):
    shared = ADDED.replace("  evaluation_id: 9615534\n", "")
    text = f"one: &shared\n  queue: 1\n{shared}two:\n  <<: *shared\n  queue: 2\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings = read_challenge_file(write(text), "two")
    assert (settings.dag_id, settings.queue, settings.results) == ("two", "2", "syn64000002")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("evaluation_id: 9615534", "evaluation_id: syn1"), "'syn1' of 'evaluation_id'"),
        (('"*/3 * * * *"', "often"), "'often' of 'dag_config.schedule_interval': expected a cron"),
        (("2025-05-01", "soon"), "'soon' of 'dag_config.start_date': expected a date or time"),
        (("retries: 5", "ownr: me"), "unknown key 'dag_config.default_args.ownr'"),
        (("2025-05-01", "2026-05-01"), "of 'dag_config.end_date': expected a time after the star"),
        (
            ("SYNAPSE_ORCA", "'syn://:token@'#"),
            "value 'syn://<redacted>@' of 'synapse_conn_id': ex",
        ),
        (
            ("olfactory-2025-task1:", "a" * 251 + ":"),
            "of 'dag_id': String should have at most 250",
        ),
        (("  results:", "  connection: x\n  results:"), "'synapse_conn_id' and 'connection' are"),
        (("  results:", "  resutls:"), "unknown key 'resutls'"),
        (("{retries: 5}", "3"), "invalid value 3 of 'default_args': expected a section"),
    ],
)
def test_errors_name_the_keys_of_the_file(write, changed, message):
    path = write((TODAY + ADDED).replace(*changed))
    with pytest.raises(ChallengeFileError, match=message):
        read_challenge_file(path)


def test_arguments_of_a_dag_are_read_or_listed(write):
    text = TODAY.replace("    tags:", "    catchup: false\n    params: {uuid: x}\n    tags:")
    text = text.replace("{retries: 5}", "{retries: 5, owner: me}") + ADDED
    unused = "dag_config.params.uuid, dag_config.default_args.owner, dag_config.catchup of"
    with pytest.warns(UserWarning, match=unused):
        assert read_challenge_file(write(text)).retries == 5
    with pytest.raises(ChallengeFileError, match=r"'scorer' is missing .*run of 'aws_conn_id'"):
        read_challenge_file(write(text.replace("  scorer: score.py\n", "")))


@pytest.mark.parametrize("other", ["version: 2", "other:", "shared: &shared [a]"])
def test_other_keys_of_the_top_level_are_no_challenges(write, other):
    path = write(f"{other}\none:\n{ADDED}")
    assert read_challenge_file(path, "one").dag_id == "one"
    with pytest.raises(ChallengeFileError, match="not a section; expected one of one"):
        read_challenge_file(path, other.partition(":")[0])


def test_a_list_of_challenges_is_rejected(write):
    with pytest.raises(ChallengeFileError, match=r"\[1\] of 'challenges': expected a section for"):
        read_challenge_file(write("challenges: [1]"), "one")


def test_a_file_of_one_challenge_has_no_sections_to_select(write):
    text = "dag_id: one\n" + "".join(line[2:] for line in ADDED.splitlines(keepends=True))
    assert read_challenge_file(write(text)).dag_id == "one"
    with pytest.raises(ChallengeFileError, match="no sections, of which 'one' could be selected"):
        read_challenge_file(write(text), "one")
    with pytest.raises(ChallengeFileError, match="unknown keys beside 'challenges': defaults"):
        read_challenge_file(write("challenges: {}\ndefaults: {}\n"))

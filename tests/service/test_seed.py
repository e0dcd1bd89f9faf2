"""Tests of the seeder and of the example data."""

import csv
import io
import json
import subprocess
import sys

import pytest
import requests
from support.entity_api import REPO
from support.file_api import RestUser, ok, start_service
from support.table_api import M

from synapse_workflows.demo.paths import examples_dir
from synapse_workflows.local.app import create_app
from synapse_workflows.local.data_dir_lock import lock_data_dir
from synapse_workflows.local.seed import seed_app, seed_data_dir
from synapse_workflows.local.seeder import SeedError
from synapse_workflows.local.server import LocalService
from synapse_workflows.local.settings import Settings, UserSeed

#: Entity IDs in an empty service; the examples contain them.
IDS = {
    "project": "syn10000001",
    "raw": "syn10000002",
    "data": "syn10000003",
    "dictionary": "syn10000004",
    "results": "syn10000005",
    "measurements": "syn10000006",
    "features": "syn10000007",
}


@pytest.fixture(scope="module")
def seeded(tmp_path_factory, recording):
    with LocalService(tmp_path_factory.mktemp("seeded"), wrap=recording) as service:
        yield service, service.seed("demo")


@pytest.fixture(scope="module")
def alice(seeded):
    service, _ = seeded
    with requests.Session() as session:
        yield RestUser(session, service.base_url, service.token("alice"))


def content(user, entity):
    url = user.get(f"/repo/v1/entity/{entity}/file?redirect=false").text
    return requests.get(url, timeout=10).content


def entity(user, number):
    return ok(user.get(f"/repo/v1/entity/{number}"))


def test_seed_creates_the_ids_of_the_examples(seeded):
    _, ids = seeded
    assert ids == IDS
    examples = "".join(path.read_text() for path in examples_dir().glob("*.py"))
    for each in IDS.values():
        assert f'"{each}"' in examples


def test_seed_creates_a_project_of_alice_with_two_folders(alice):
    project = entity(alice, IDS["project"])
    assert project["name"] == "Demo - breast cancer diagnostics"
    assert project["createdBy"] == ok(alice.get("/repo/v1/userProfile"))["ownerId"]
    assert entity(alice, IDS["raw"])["parentId"] == IDS["project"]
    assert entity(alice, IDS["results"])["parentId"] == IDS["project"]


@pytest.mark.parametrize("key", ["data", "dictionary"])
def test_seed_uploads_the_files_of_the_examples(alice, key):
    name = {"data": "breast_cancer_wisconsin.csv", "dictionary": "feature_dictionary.csv"}[key]
    file = entity(alice, IDS[key])
    assert (file["name"], file["parentId"], file["versionNumber"]) == (name, IDS["raw"], 1)
    assert content(alice, IDS[key]) == (examples_dir() / "data" / name).read_bytes()


def test_seed_annotates_source_and_license(alice):
    found = ok(alice.get(f"/repo/v1/entity/{IDS['data']}/annotations2"))["annotations"]
    assert found["license"] == {"type": "STRING", "value": ["CC BY 4.0"]}
    assert found["doi"]["value"] == ["10.24432/C5DW2B"]
    assert found["rows"] == {"type": "LONG", "value": ["569"]}
    assert len(found["authors"]["value"]) == 3


@pytest.mark.parametrize(("key", "file"), [("measurements", "data"), ("features", "dictionary")])
def test_seed_creates_tables_with_the_rows_of_the_files(alice, key, file):
    query = {
        "concreteType": f"{M}.DownloadFromTableRequest",
        "sql": f"select * from {IDS[key]} order by ROW_ID",
        "includeRowIdAndRowVersion": False,
    }
    result = ok(run_job(alice, f"{REPO}/entity/{IDS[key]}/table/download/csv", query))
    url = alice.get(f"/file/v1/fileHandle/{result['resultsFileHandleId']}/url?redirect=false").text
    actual = list(csv.reader(io.StringIO(requests.get(url, timeout=10).text)))
    expected = list(csv.reader(io.StringIO(content(alice, IDS[file]).decode())))
    assert actual[0] == expected[0]
    assert [list(map(parse, row)) for row in actual] == [list(map(parse, row)) for row in expected]


def parse(cell):
    """Parse a number, which has several text forms; return other text unchanged."""
    try:
        return float(cell)
    except ValueError:
        return cell


def run_job(user, path, body):
    token = ok(user.post(f"{path}/async/start", body))["token"]
    response = user.get(f"{path}/async/get/{token}")
    while response.status_code == 202:
        response = user.get(f"{path}/async/get/{token}")
    return response


def test_seeding_again_changes_nothing(seeded, alice):
    service, ids = seeded
    before = {key: entity(alice, number)["etag"] for key, number in ids.items()}
    assert service.seed("demo") == ids
    assert {key: entity(alice, number)["etag"] for key, number in ids.items()} == before


def test_first_certified_user_owns_the_data_if_there_is_no_alice(tmp_path):
    users = (
        UserSeed(user_name="root", admin=True),
        UserSeed(user_name="new", certified=False),
        UserSeed(user_name="eve"),
    )
    with LocalService(tmp_path, users=users) as service:
        ids = service.seed("demo")
        eve = RestUser(requests.Session(), service.base_url, service.token("eve"))
        assert entity(eve, ids["data"])["createdBy"] == str(service.users["eve"].owner_id)
        eve.session.close()


def test_unknown_seed_raises_value_error(tmp_path):
    app = create_app(Settings(data_dir=tmp_path))
    with pytest.raises(ValueError, match="Unknown seed 'demi': expected one of: demo"):
        seed_app(app, "demi")
    app.state.service.database.close()


def test_seed_error_contains_status_of_failed_request(tmp_path):
    with start_service(tmp_path) as rest_service:
        rest_service.user("bob").project("Demo - breast cancer diagnostics")
    with pytest.raises(SeedError, match="403"):
        seed_data_dir(tmp_path, "demo")


# Command line.


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "synapse_workflows", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_seed_command_seeds_a_stopped_service(tmp_path):
    completed = run("seed", "--data", str(tmp_path))
    assert json.loads(completed.stdout) == IDS
    with LocalService(tmp_path) as service:
        assert service.seed() == IDS


def test_seed_data_dir_seeds_a_running_service(tmp_path):
    with LocalService(tmp_path) as service:
        (tmp_path / "service.json").write_text(json.dumps(service.describe()))
        assert seed_data_dir(tmp_path, "demo") == IDS
    assert json.loads((tmp_path / "service.json").read_text())["seed"] == IDS


def test_commands_report_seed_errors(tmp_path):
    with lock_data_dir(tmp_path):
        completed = run("seed", "--data", str(tmp_path))
    assert (completed.returncode, completed.stdout) == (1, "")
    assert "in use by another running service" in completed.stderr
    completed = run("serve", "--data", str(tmp_path), "--seed", "demi")
    assert completed.returncode == 2
    assert "expected one of demo" in completed.stderr


# Example data.


def rows(name):
    return list(csv.DictReader(io.StringIO((examples_dir() / "data" / name).read_text())))


def test_data_file_has_569_rows_with_known_values():
    data = rows("breast_cancer_wisconsin.csv")
    assert len(data) == 569
    assert [int(row["id"]) for row in data] == list(range(1, 570))
    diagnoses = [row["diagnosis"] for row in data]
    assert (diagnoses.count("malignant"), diagnoses.count("benign")) == (212, 357)
    radius = [float(row["mean_radius"]) for row in data]
    assert (min(radius), max(radius)) == (6.981, 28.11)
    area = [float(row["worst_area"]) for row in data]
    assert (min(area), max(area)) == (185.2, 4254.0)


def test_dictionary_describes_each_feature():
    features = [row["feature"] for row in rows("feature_dictionary.csv")]
    columns = list(rows("breast_cancer_wisconsin.csv")[0])
    assert columns == ["id", *features, "diagnosis"]
    assert len(features) == 30
    assert all(row["unit"] and row["description"] for row in rows("feature_dictionary.csv"))


def test_source_file_names_authors_license_and_changes():
    text = (examples_dir() / "data" / "SOURCE.md").read_text()
    for words in ("Wolberg", "Street", "Mangasarian", "10.24432/C5DW2B", "CC BY 4.0", "changed"):
        assert words in text

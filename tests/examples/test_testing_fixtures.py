"""The fixtures of `synapse_workflows.testing` work in another project."""

import subprocess
import sys

CONFTEST = 'pytest_plugins = ["synapse_workflows.testing"]\n'
TESTS = """
from synapse_workflows import File, Project, SynapseHook


def test_a_client(synapse_client, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a")
    project = synapse_client.store(Project("fixtures"))
    assert synapse_client.store(File(str(path), parent=project)).versionNumber == 1


def test_a_connection(synapse_connection, synapse_client):
    assert SynapseHook(synapse_connection).client.findEntityId("fixtures")


def test_an_inbox(synapse_connection, synapse_inbox):
    sent = SynapseHook(synapse_connection).send_message("bob", "Greeting", "Hello Bob")
    (message,) = synapse_inbox("bob")
    assert (message.id, message.subject, message.body) == (sent["id"], "Greeting", "Hello Bob")


def test_an_s3_server(synapse_s3_service):
    assert synapse_s3_service.service_info["s3Url"].startswith("http://127.0.0.1:")
"""


def test_fixtures_work_in_another_project(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "4 passed" in done.stdout, done.stdout

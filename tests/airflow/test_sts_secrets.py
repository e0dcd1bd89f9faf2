"""Every request, log line and file of tasks with STS credentials is searched for them.

The tasks run below Airflow's supervisor, which masks what they print and log.
"""

from pathlib import Path

import pytest
from support.sts_folders import find_secrets, read_files
from support.supervised_run import SupervisedRun

#: Arguments: folder, bucket, prefix, directory of the task.
CODE = """
import logging, os
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import DAG, Asset, ObjectStoragePath, get_current_context, task
from synapse_workflows import SynapseHook, SynapseStsBashOperator, SynapseStsS3Hook

FOLDER, BUCKET, PREFIX, DIRECTORY = {arguments!r}
PRINT = '''
env | grep -e AWS_ -e SYNAPSE
echo -n "$AWS_SESSION_TOKEN" | base64 -w 0; echo
echo "$AWS_SECRET_ACCESS_KEY" | base64 -w 0; echo
echo "token=$AWS_SESSION_TOKEN key=$AWS_SECRET_ACCESS_KEY id=$AWS_ACCESS_KEY_ID"
'''
logging.getLogger("botocore").setLevel("DEBUG")

with DAG("leaks", schedule=None) as dag:
    SynapseStsBashOperator(
        task_id="bash", folder_id=FOLDER, permission="read_write", bash_command=PRINT,
        env=dict(PATH="/usr/bin:/bin"), cwd=DIRECTORY, outlets=[Asset("s3://a/b")],
    )
    SynapseStsBashOperator(
        task_id="failing", folder_id=FOLDER, bash_command=PRINT + "exit 1", retries=1,
    )

    @task.synapse_sts(folder_id=FOLDER, permission="read_write", retries=1)
    def decorated(sts_session, sts_environment):
        frozen = sts_session.get_credentials().get_frozen_credentials()
        print(frozen, sts_session, sts_environment, dict(sts_environment), dict(os.environ))
        logging.getLogger(__name__).warning("%s %r", frozen, get_current_context())
        s3 = sts_session.client("s3")
        s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX + "/")
        print(s3.generate_presigned_url("get_object", dict(Bucket=BUCKET, Key=PREFIX + "/a")))
        try:
            s3.get_object(Bucket="another", Key="x")
        except Exception:
            logging.getLogger(__name__).exception("failed")
        raise RuntimeError(f"failed with {{frozen.secret_key}} {{frozen.token}}")

    @task
    def client():
        syn = SynapseHook().client
        for name in ("json", "boto", "bash"):
            print(syn.get_sts_storage_token(FOLDER, "read_only", output_format=name))
        print(syn.restGET("/entity/" + FOLDER + "/sts?permission=read_only"))

    @task
    def hooks():
        conn_id = f"synapse-sts://{{FOLDER}}/read_write"
        connection = S3Hook.get_connection(conn_id)
        print(connection, repr(connection), connection.password, connection.get_uri())
        S3Hook(conn_id).load_string("x", PREFIX + "/hook.txt")
        path = ObjectStoragePath(f"s3://synapse-sts.{{FOLDER}}@{{BUCKET}}/{{PREFIX}}/hook.txt")
        assert path.read_text() == "x"
        hook = SynapseStsS3Hook(FOLDER)
        print(hook.get_credentials(), vars(hook))
        return path

    decorated(), client(), hooks()
"""
STATES = {
    "bash": "success",
    "failing": "up_for_retry",
    "decorated": "up_for_retry",
    "client": "success",
    "hooks": "success",
}


@pytest.mark.usefixtures("docker_sockets")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_credentials_leave_no_trace(
    sts, sts_backend, issued_secrets, tmp_path, monkeypatch, capfd
):
    folder = sts.folder()
    work, logs = tmp_path / "work", tmp_path / "logs"
    work.mkdir()
    logs.mkdir()
    monkeypatch.setenv("TMPDIR", str(work))
    code = CODE.format(arguments=(folder.id, folder.bucket, folder.prefix, str(work)))
    run = SupervisedRun(sts.api, code, logs, "leaks")
    for task_id, state in STATES.items():
        result = run.task(task_id, max_tries=1)
        assert result.state == state, run.read_log(task_id)[-3000:]
    output, errors = capfd.readouterr()
    texts = {f"request {number}": str(one) for number, one in enumerate(sts.api.requests)}
    texts |= {"rendered": str(sts.api.rendered), "xcoms": str(dict(sts.api.xcoms))}
    texts |= {"stdout": output, "stderr": errors}
    texts |= read_files(tmp_path, Path(run.file).parent)
    assert len(issued_secrets) >= 3 * len(STATES)
    assert find_secrets(texts, issued_secrets) == []
    assert all("***" in run.read_log(task_id) for task_id in STATES)
    assert "***" in run.value("bash")

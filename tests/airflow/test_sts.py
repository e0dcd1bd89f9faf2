"""`SynapseHook.sts_environment` and `SynapseHook.sts_session` in tasks."""

from airflow.sdk import DAG, task

from synapse_workflows import SynapseHook


def test_a_session_reads_and_writes_objects(sts):
    folder = sts.folder()
    folder.put("in.csv")
    with DAG("session", schedule=None) as dag:

        @task
        def work():
            session = SynapseHook().sts_session(folder.id, "read_write")
            s3 = session.client("s3")
            body = s3.get_object(Bucket=session.bucket, Key=session.key("in.csv"))["Body"].read()
            s3.put_object(Bucket=session.bucket, Key=session.key("out.csv"), Body=body.upper())
            return session.url

        work()
    run = sts.run(dag)
    assert folder.read("out.csv") == "A,B\n1,2\n"
    assert run.value("work") == f"s3://{folder.bucket}/{folder.prefix}"
    record = run.record("work")
    assert {"url": folder.url("in.csv"), "origin": "read"} in record["used"]
    assert {"url": folder.url("out.csv")} in record["wrote"]

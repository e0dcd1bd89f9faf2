"""The DAG of the README with STS credentials."""

import sys

from support.readme import DAGS
from support.sts_folders import find_secrets

#: Command `aws s3 ls`, for machines without the AWS command line.
AWS = f"""#!{sys.executable}
import boto3, sys
assert sys.argv[1:3] == ["s3", "ls"]
bucket, _, prefix = sys.argv[3].removeprefix("s3://").partition("/")
found = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
print(*(one["Key"].rpartition("/")[2] for one in found["Contents"]))
"""


def test_count_lines(sts, issued_secrets, tmp_path, monkeypatch):
    command = tmp_path / "bin" / "aws"
    command.parent.mkdir()
    command.write_text(AWS)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")
    folder = sts.folder()
    folder.put("a.csv", "1\n2\n")
    folder.put("b.csv", "1\n")
    values = {}
    exec(DAGS["count_lines"].replace("syn123", folder.id) + "\ndag = count_lines()\n", values)  # noqa: S102
    run = sts.run(values["dag"], count=2)
    assert folder.read("counts/a.csv.txt") == "2"
    assert run.value("listing") == "a.csv.txt b.csv.txt"
    assert run.record("count", 1)["wrote"] == [{"url": folder.recorded_url("counts/b.csv.txt")}]
    assert find_secrets({"requests": str(sts.api.requests)}, issued_secrets) == []

"""The data set `sts`: a folder whose files are objects in a bucket of the local S3 server."""

from typing import Any, Final

from synapse_workflows.constants import (
    EXTERNAL_S3_LOCATION,
    FOLDER,
    PROJECT,
    UPLOAD_DESTINATION_LIST,
)
from synapse_workflows.demo.paths import examples_dir
from synapse_workflows.local.seeder import Seeder

_BUCKET: Final = "synapse-demo"
_BASE_KEY: Final = "diagnostics"
_BATCHES: Final = 3


def seed_sts(seeder: Seeder) -> dict[str, str]:
    """Create a folder with STS, and objects with the rows of the data set `demo` in batches.

    Returns:
        Key -> ID: `sts_project`, and the folder `sts_folder`.

    Raises:
        SeedError: The service has no S3 server.
    """
    project = seeder.get_or_create_entity(PROJECT, "Demo - data in S3", None)
    folder = seeder.get_or_create_entity(FOLDER, "diagnostics", project)
    setting = seeder.request("GET", f"/repo/v1/projectSettings/{folder}/type/upload")
    if setting.ok and not setting.content:
        _set_location(seeder, folder)
    _put_objects(seeder, folder)
    return {"sts_project": project, "sts_folder": folder}


def _set_location(seeder: Seeder, folder: str) -> None:
    location = seeder.request_json(
        "POST",
        "/repo/v1/storageLocation",
        {
            "concreteType": EXTERNAL_S3_LOCATION,
            "uploadType": "S3",
            "bucket": _BUCKET,
            "baseKey": _BASE_KEY,
            "stsEnabled": True,
        },
    )
    setting = {
        "concreteType": UPLOAD_DESTINATION_LIST,
        "settingsType": "upload",
        "projectId": folder,
        "locations": [location["storageLocationId"]],
    }
    seeder.request_json("POST", "/repo/v1/projectSettings", setting)


def _put_objects(seeder: Seeder, folder: str) -> None:
    """Store the objects that do not exist, with temporary credentials of the folder."""
    token = seeder.request_json("GET", f"/repo/v1/entity/{folder}/sts?permission=read_write")
    destination = seeder.request_json("GET", f"/file/v1/entity/{folder}/uploadDestination")
    s3 = _create_client(token, destination["endpointUrl"])
    prefix = f"{_BASE_KEY}/raw/"
    found = s3.list_objects_v2(Bucket=_BUCKET, Prefix=prefix).get("Contents", ())
    existing = {one["Key"] for one in found}
    for name, text in _list_batches().items():
        if prefix + name not in existing:
            s3.put_object(Bucket=_BUCKET, Key=prefix + name, Body=text.encode())
    s3.close()


def _create_client(token: dict[str, Any], endpoint_url: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=token["accessKeyId"],
        aws_secret_access_key=token["secretAccessKey"],
        aws_session_token=token["sessionToken"],
        config=Config(s3={"addressing_style": "path"}),
    )


def _list_batches() -> dict[str, str]:
    """Return the CSV text of each batch of rows, by file name."""
    path = examples_dir() / "data" / "breast_cancer_wisconsin.csv"
    header, *rows = path.read_text().splitlines(keepends=True)
    return {
        f"batch_{number + 1}.csv": "".join([header, *rows[number::_BATCHES]])
        for number in range(_BATCHES)
    }

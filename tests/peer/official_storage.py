"""Storage locations, STS tokens and buckets with the official client; see official.py."""

import boto3
import synapseclient
from botocore.exceptions import ClientError
from official import main, md5
from synapseclient.core.exceptions import SynapseHTTPError

FORMATS = ("json", "boto", "bash", "cmd", "powershell", "shell")


def create_sts_folder(syn, a):
    """Create an STS-enabled folder in an own bucket, twice, and return its setting."""
    arguments = {
        "parent": a["parent"],
        "folder_name": "sts",
        "bucket_name": a["bucket"],
        "base_key": a["base_key"],
        "sts_enabled": True,
    }
    folder, location, setting = syn.create_s3_storage_location(**arguments)
    return {
        "id": folder.id,
        "location": location,
        "same": syn.getMyStorageLocationSetting(location["storageLocationId"]) == location,
        "locations": setting["locations"],
    }


def create_object_store_folder(syn, a):
    location = syn.createStorageLocationSetting(
        "ExternalObjectStorage", endpointUrl=a["endpoint"], bucket=a["bucket"]
    )
    folder = syn.store(synapseclient.Folder("objects", parent=a["parent"]))
    setting = syn.setStorageLocation(folder, location["storageLocationId"])
    return {"id": folder.id, "setting": setting}


def read_settings(syn, a):
    location = syn.getMyStorageLocationSetting(a["location"])
    return {"location": location, "setting": syn.getProjectSetting(a["id"], "upload")}


def get_tokens(syn, a):
    """Return a token in all formats."""
    return {
        each: syn.get_sts_storage_token(a["id"], a["permission"], output_format=each)
        for each in FORMATS
    }


def use_token(syn, a):
    """Write with a token, list the prefix, and return the errors of forbidden requests."""
    s3 = boto3.client(
        "s3", **syn.get_sts_storage_token(a["id"], "read_write", output_format="boto")
    )
    reader = boto3.client(
        "s3", **syn.get_sts_storage_token(a["id"], "read_only", output_format="boto")
    )
    place = {"Bucket": a["bucket"], "Key": f"{a['base_key']}/by-token.txt"}
    s3.put_object(**place, Body=b"by the official client")
    listed = reader.list_objects_v2(Bucket=a["bucket"], Prefix=f"{a['base_key']}/")
    return {
        "content": reader.get_object(**place)["Body"].read().decode(),
        "keys": [each["Key"] for each in listed["Contents"]],
        "outside": refusal(s3.put_object, Bucket=a["bucket"], Key="outside", Body=b"x"),
        "read_only": refusal(reader.put_object, **place, Body=b"x"),
    }


def refusal(request, **arguments):
    try:
        request(**arguments)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
    return None


def store(syn, a):
    stored = syn.store(synapseclient.File(a["path"], parent=a["parent"]))
    return {"id": stored.id, "handle": dict(stored._file_handle)}


def get(syn, a):
    found = syn.get(a["id"], downloadLocation=a["directory"])
    return {"md5": md5(found.path), "handle": dict(found._file_handle)}


def register(syn, a):
    """Create a file handle of an object in an own bucket."""
    return syn.create_external_s3_file_handle(a["bucket"], a["key"], a["path"], parent=a["parent"])


def error_of_token(syn, a):
    try:
        syn.get_sts_storage_token(a["id"], a["permission"])
    except SynapseHTTPError as error:
        return {"error": str(error)}
    return {"error": None}


if __name__ == "__main__":
    main(globals())

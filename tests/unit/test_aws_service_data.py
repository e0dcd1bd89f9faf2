"""Sessions of botocore that share the descriptions of AWS services."""

import json

import boto3
from botocore.loaders import JSONFileLoader
from botocore.session import Session

from synapse_workflows.aws_service_data import share_service_data


def create_client(service: str) -> object:
    session = boto3.Session("id", "secret", botocore_session=share_service_data(Session()))
    return session.client(service, region_name="us-east-1")


def test_each_file_is_parsed_once(monkeypatch):
    create_client("sts")
    parsed = []
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda _, path: parsed.append(path))
    assert create_client("sts").get_caller_identity
    assert parsed == []


def test_services_of_the_environment_are_found(tmp_path, monkeypatch):
    """Variable `AWS_DATA_PATH` names directories with descriptions of further services."""
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    folder = tmp_path / "lab" / "2026-01-01"
    folder.mkdir(parents=True)
    metadata = {"endpointPrefix": "lab", "protocol": "json", "serviceId": "Lab"}
    (folder / "service-2.json").write_text(json.dumps({"metadata": metadata, "shapes": {}}))
    assert "lab" in share_service_data(Session()).get_available_services()
    monkeypatch.delenv("AWS_DATA_PATH")
    assert "lab" not in share_service_data(Session()).get_available_services()

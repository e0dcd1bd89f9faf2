"""Tests of the secret of a data directory."""

import secrets

import pytest
from support.file_api import start_service

from synapse_workflows.local.storage.data_dir import DataDirError
from synapse_workflows.local.storage.secret import load_secret


@pytest.mark.parametrize(
    "weak", [b"", b"\n", b"password", bytes(32), b"password" * 8, bytes(range(31))]
)
def test_weak_secret_is_refused(tmp_path, weak):
    (tmp_path / "secret").write_bytes(weak)
    with pytest.raises(DataDirError, match="too weak to sign tokens"), start_service(tmp_path):
        pass
    assert (tmp_path / "secret").read_bytes() == weak


def test_secret_is_created_once_and_kept(tmp_path):
    secret = load_secret(tmp_path)
    assert len(secret) == 32
    assert load_secret(tmp_path) == secret
    (tmp_path / "secret").write_text(secrets.token_hex(32))
    assert len(load_secret(tmp_path)) == 64

"""The default cache directory, also without a home directory, as in containers."""

import logging
import pwd
import tempfile

import pytest

from synapse_workflows import Synapse, SynapseNoCredentialsError
from synapse_workflows.client.core import default_cache, keyring_store
from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.errors import SynapseFileCacheError
from synapse_workflows.client.model.paths import expand_home, expand_path, is_local_file


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Directory for temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    default_cache._warn_once.cache_clear()
    return folder


@pytest.fixture
def homeless(monkeypatch, temporary):
    """No HOME, and a user without an entry in /etc/passwd, as in OpenShift."""

    def get_nothing(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", get_nothing)
    return temporary


@pytest.mark.parametrize("home", ["file/home", "file", "link"])
def test_a_home_directory_that_is_not_writable_is_not_used(
    home, tmp_path, temporary, monkeypatch, caplog
):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    monkeypatch.setenv("HOME", str(tmp_path / home))
    with caplog.at_level(logging.WARNING):
        with Synapse(skip_checks=True) as syn, Synapse(skip_checks=True) as other:
            assert syn.cache.cache_root_dir == other.cache.cache_root_dir
        (root,) = temporary.iterdir()
    assert syn.cache.cache_root_dir == str(root)
    assert root.stat().st_mode & 0o777 == 0o700
    (record,) = caplog.records
    assert f"files are cached in {root}" in record.message
    assert "AIRFLOW__SYNAPSE__CACHE_DIR" in record.message


def test_a_user_without_a_home_directory_has_a_client(homeless):
    with Synapse(skip_checks=True) as syn:
        assert syn.cache.cache_root_dir.startswith(f"{homeless}/synapse-cache-")
        with pytest.raises(SynapseNoCredentialsError, match="no user is recorded"):
            syn.login()


def test_the_configured_directory_needs_no_home_directory(homeless, tmp_path):
    with Synapse(skip_checks=True, cache_root_dir=str(tmp_path / "cache")) as syn:
        assert syn.cache.cache_root_dir == str(tmp_path / "cache")
    assert list(homeless.iterdir()) == []


def test_a_home_directory_that_can_be_created_is_used(tmp_path, temporary, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache.find_default_cache() == str(tmp_path / "home/.synapseCache")


@pytest.mark.parametrize("kind", ["link", "writable for all", "file"])
def test_a_directory_that_others_can_write_is_not_used(kind, homeless, tmp_path):
    root = homeless / default_cache.find_default_cache().rpartition("/")[2]
    root.rmdir()
    if kind == "link":
        root.symlink_to(tmp_path)
    elif kind == "file":
        root.touch()
    else:
        root.mkdir()
        root.chmod(0o777)
    with pytest.raises(SynapseFileCacheError, match=r"(?s)only this user can write.*cache_dir"):
        Synapse(skip_checks=True)


@pytest.mark.parametrize("expand", [expand_path, expand_home, Cache])
def test_a_path_below_the_missing_home_directory_is_an_error(expand, homeless):
    with pytest.raises(
        ValueError, match=r"Cannot expand '~/x': .*Set the environment variable HOME"
    ):
        expand("~/x")
    assert not is_local_file("~/x")


def test_names_that_start_with_a_tilde_stay(homeless):
    assert expand_path("~notes.txt") == "~notes.txt"


def test_no_user_is_recorded_without_a_home_directory(homeless):
    assert keyring_store.most_recent_user() is None
    with pytest.raises(keyring_store.KeyringUnavailableError, match="Cannot expand"):
        keyring_store._record_user("alice")

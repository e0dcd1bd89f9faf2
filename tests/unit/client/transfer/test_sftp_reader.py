"""Reads of files on SFTP servers, with a server of paramiko."""

import threading

import paramiko
import pytest
from support.sftp_server import HOST, password_sftp

from synapse_workflows.client.transfer.sftp_reader import iter_blocks
from synapse_workflows.constants import MiB

CONTENT = bytes(range(251)) * (10 * MiB // 251)


class Handle(paramiko.SFTPHandle):
    """A file that returns at most 20 kB per request."""

    def stat(self):
        attributes = paramiko.SFTPAttributes()
        attributes.st_size = len(CONTENT)
        return attributes

    def read(self, offset, length):
        return CONTENT[offset : offset + min(length, 20_000)] or paramiko.SFTP_EOF


class Files(paramiko.SFTPServerInterface):
    def open(self, _path, _flags, _attr):
        return Handle()


@pytest.fixture
def file(tmp_path):
    with password_sftp(tmp_path, "a-secret", Files) as (server, _), paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            HOST, server.port, "alice", "a-secret", allow_agent=False, look_for_keys=False
        )
        with client.open_sftp() as sftp, sftp.open("/data.bin", "rb") as file:
            yield file


def test_short_responses_are_completed(file):
    assert b"".join(iter_blocks(file, 17, 700_000)) == CONTENT[17:700_000]


def test_early_responses_are_kept(file, monkeypatch):
    """A server may respond in any order."""
    read_response = file.sftp._read_response

    def read_next_first(number):
        reader = file.sftp._expecting[number]
        if number + 1 not in file.sftp._expecting:
            return read_response(number)
        reader._async_response(*read_response(number + 1), number + 1)
        return reader._responses.pop(number)

    monkeypatch.setattr(file.sftp, "_read_response", read_next_first)
    assert b"".join(iter_blocks(file, 0, 700_000)) == CONTENT[:700_000]


def test_shorter_file_raises(file):
    with pytest.raises(EOFError, match=f"ended at {len(CONTENT)} of {len(CONTENT) + 9} bytes"):
        for _ in iter_blocks(file, len(CONTENT) - 100_000, len(CONTENT) + 9):
            pass


def test_no_thread_is_started(file):
    """A thread would fail unhandled when the connection is interrupted."""
    before = set(threading.enumerate())
    blocks = iter_blocks(file, 0, len(CONTENT))
    assert next(blocks)
    assert set(threading.enumerate()) <= before
    file.sftp.get_channel().get_transport().close()
    with pytest.raises((paramiko.SSHException, OSError)):
        for _ in blocks:
            pass

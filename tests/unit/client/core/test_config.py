"""Parsing of the configuration file, and errors without secrets."""

import pytest
from support.tracebacks import format_traceback

from synapse_workflows.client.core import config
from synapse_workflows.client.errors import SynapseConfigError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config.ini"


def load(path) -> config.Config:
    return config.parse_config(config.read_file(path), path)


def test_missing_file_counts_as_empty(path):
    assert load(path) == config.Config(path=str(path))


def test_all_settings_are_read(path):
    path.write_text(
        "# mine\n[authentication]\nUserName = alice\nauthtoken = a%b$c;d\n"
        "[cache]\nlocation = ~/c\n"
        "[endpoints]\nrepoEndpoint = https://r\n"
        "[transfer]\nmax_threads = 12\nuse_boto_sts = TRUE\n[debug]\n[sftp://host]\nusername=x\n"
    )
    found = load(path)
    assert found.profiles == {"default": {"username": "alice", "authtoken": "a%b$c;d"}}
    assert "a%b$c;d" not in repr(found)
    assert found.cache_location == "~/c"
    assert found.endpoints == {"repoendpoint": "https://r"}
    assert (found.max_threads, found.use_boto_sts, found.debug) == (12, True, True)
    assert config.read_file(path).get("sftp://host", "username") == "x"


def test_default_section_precedes_the_older_one_unless_it_is_empty(path):
    older = "[authentication]\nusername = alice\n"
    for text, expected in (
        ("[default]\nusername = bob\n", "bob"),
        (f"{older}[default]\nusername = bob\n", "bob"),
        (f"{older}[default]\n", "alice"),
    ):
        path.write_text(text)
        assert load(path).profiles["default"]["username"] == expected


def test_profiles_are_read_by_name(path):
    path.write_text(
        "[profile bob]\nusername = bob\n[profile  two words ]\nusername = two\n[profiles]\nx=1\n"
    )
    profiles = load(path).profiles
    assert {name: one["username"] for name, one in profiles.items()} == {
        "bob": "bob",
        "two words": "two",
    }


def test_byte_order_mark_is_accepted(path):
    path.write_bytes(b"\xef\xbb\xbf[debug]\n")
    assert load(path).debug


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("authtoken = hush1234\n", "Line 1 is neither"),
        ("[authentication]\nhush1234\nhush1234 too\n", "Line 2, 3 is neither"),
        ("[a]\nx=hush1234\nx=hush1234\n", r"Line 3: duplicate option x in \[a\]"),
        ("[a]\n[a]\nx=hush1234\n", r"Line 2: duplicate section \[a\]"),
    ],
)
def test_parse_errors_name_the_line_without_quoting_it(path, text, message):
    path.write_text(text)
    with pytest.raises(SynapseConfigError, match=message) as caught:
        load(path)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith(f"Error parsing Synapse config file: {path}\n")
    assert "hush1234" not in format_traceback(caught.value, __file__)


def test_path_with_an_unknown_user_counts_as_missing():
    assert config.read_file("~no-such-user/.synapseConfig").sections() == []


def test_unreadable_file_raises(path):
    path.mkdir()
    with pytest.raises(SynapseConfigError, match="cannot be read"):
        load(path)
    path.rmdir()
    path.write_bytes(b"\xff\xfe[\x00")
    with pytest.raises(SynapseConfigError, match="cannot be read"):
        load(path)


@pytest.mark.parametrize(("key", "value"), [("max_threads", "many"), ("use_boto_sts", "perhaps")])
def test_invalid_settings_raise(path, key, value):
    path.write_text(f"[transfer]\n{key} = {value}\n")
    with pytest.raises(
        SynapseConfigError, match=f"Invalid transfer.{key} config setting {value}"
    ) as caught:
        load(path)
    assert str(path) in str(caught.value)

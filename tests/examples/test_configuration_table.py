"""The table of settings in the README is complete and true: it is compared with the code."""

import inspect
import re
from configparser import RawConfigParser
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.guides import REPO

import synapse_workflows
from synapse_workflows import Synapse, SynapseHook
from synapse_workflows.client.core import storage_config
from synapse_workflows.client.core.config import DEFAULT_PATH, Config, parse_config
from synapse_workflows.client.core.default_cache import DEFAULT_CACHE
from synapse_workflows.constants import PRODUCTION_ENDPOINTS
from synapse_workflows.demo import airflow_server
from synapse_workflows.hooks.connection import ClientSettings
from synapse_workflows.provider_info import get_provider_info

TEXT = (REPO / "README.md").read_text().partition("## Configuration\n")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in TEXT.splitlines()
    if line.startswith("|") and not line.startswith("|---")
]
HEADER, ROWS = ROWS[0], ROWS[1:]
#: Variables of the package that are not settings of users.
INTERNAL = {
    "SYNAPSE_WORKFLOWS_FAMILY",  # marks the processes of `demo`
    "SYNAPSE_WORKFLOWS_DEMO_NUMBERS",  # the examples that `demo` runs
    "SYNAPSE_STS_S3_LOCATION",  # of tasks with STS credentials: see the guide on storage
}
#: Variables of other packages.
FOREIGN = {"PYTHON_KEYRING_BACKEND", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE"}


def column(title):
    return "\n".join(row[HEADER.index(title)] for row in ROWS)


def named(pattern, title):
    return re.findall(pattern, column(title))


def arguments_of(name):
    """Return the arguments of a function that the table names, as in `login(email=)`."""
    calls = named(rf"`{name}\(([^)]*)\)`", "argument")
    return {one.strip().rstrip("=") for call in calls for one in call.split(",")}


def find_row(title, text):
    (row,) = (row for row in ROWS if text in row[HEADER.index(title)])
    return dict(zip(HEADER, row, strict=True))


def parameters_of(function):
    return set(inspect.signature(function).parameters) - {"self", "syn", "kwargs"}


def test_rows_have_all_columns():
    assert {len(row) for row in ROWS} == {len(HEADER)} == {6}
    assert [row[0] for row in ROWS if not any(row[1:5])] == []


def test_the_arguments_are_those_of_the_functions():
    assert arguments_of("Synapse") == parameters_of(Synapse)
    assert arguments_of("login") == parameters_of(Synapse.login)
    not_settings = {"synapse_conn_id", "retry"}
    assert arguments_of("SynapseHook") == parameters_of(SynapseHook) - not_settings
    for name in named(r"`syn\.(\w+)`", "argument"):
        assert hasattr(Synapse(skip_checks=True), name)


def test_the_environment_has_all_variables_that_the_package_reads():
    listed = set(named(r"`([A-Z][A-Z0-9_]+)`", "environment"))
    package = Path(synapse_workflows.__file__).parent
    texts = [path.read_text() for path in package.rglob("*.py") if "docs" not in path.parts]
    pattern = r"""["']((?:SYNAPSE|AIRFLOW_API)_[A-Z0-9_]+|AIRFLOW__API__PORT)["']"""
    read = {name for text in texts for name in re.findall(pattern, text)}
    assert listed - FOREIGN == read - INTERNAL


def config_of(options):
    parser = RawConfigParser()
    parser.read_dict(options)
    return parse_config(parser)


def test_the_options_of_the_configuration_file_have_an_effect():
    """Each option changes a field of `Config`, and the options change all fields."""
    default, changed = config_of({}), set()
    options = named(r"`\[([a-z]+|profile NAME)\](?: (\w+))?`", "`~/.synapseConfig`")
    values = {"max_threads": "3", "use_boto_sts": "true"}
    for section, option in options:
        found = config_of({section: {option: values.get(option, "x")} if option else {}})
        differing = {
            one.name
            for one in fields(Config)
            if getattr(found, one.name) != getattr(default, one.name)
        }
        assert differing, (section, option)
        changed |= differing
    assert changed == {one.name for one in fields(Config)} - {"path"}
    endpoints = {option for section, option in options if section == "endpoints"}
    assert endpoints == set(PRODUCTION_ENDPOINTS)


def test_the_sections_of_storage_have_an_effect():
    parser = RawConfigParser()
    parser.read_dict(
        {
            "https://endpoint/bucket": {"profile_name": "lab"},
            "sftp://host": {"username": "a", "password": "b", "known_hosts": "c"},
        }
    )
    syn = SimpleNamespace(configPath="", storage_config_path="x", get_or_create=lambda *_: parser)
    text = column("`~/.synapseConfig`")
    for section in parser.sections():
        assert all(
            f"`{name}`" in text or f"[{section}] {name}" in text for name in parser[section]
        )
    assert storage_config.find_profile(syn, "https://endpoint", "bucket") == "lab"
    assert storage_config.find_sftp_login(syn, "host", 22).known_hosts == "c"


def test_the_fields_of_the_connection_are_those_of_the_code():
    (connection,) = get_provider_info()["connection-types"]
    cells = re.findall(r"extra ([^;\n]+)", column("connection or `airflow.cfg`"))
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert listed == {*connection["conn-fields"], "api_key"}
    text = inspect.getsource(inspect.getmodule(ClientSettings))
    assert {name for name in listed if f'"{name}"' not in text} == set()


def test_the_options_of_airflow_and_their_defaults_are_those_of_the_code():
    options = get_provider_info()["config"]["synapse"]["options"]
    title = "connection or `airflow.cfg`"
    assert set(named(r"`\[synapse\] (\w+)`", title)) == set(options)
    for name, option in options.items():
        default = find_row(title, f"[synapse] {name}`")["default"]
        of_code = {"cache_dir": DEFAULT_CACHE, "staging": "a folder of the machine"}
        expected = option["default"] or of_code.get(name, "none")
        assert expected in default


def test_the_defaults_are_those_of_the_code():
    syn = Synapse(skip_checks=True, configPath="/dev/null")
    assert find_row("argument", "repoEndpoint")["default"].strip("`") == syn.repoEndpoint
    assert find_row("argument", "configPath")["default"].strip("`") == DEFAULT_PATH
    connect, read = syn.timeout
    assert find_row("argument", "timeout=")["default"] == (
        f"{connect:.0f} seconds to connect, {read:.0f} between two reads; {syn.retry.attempts} "
        f"attempts in {syn.retry.total:.0f} seconds"
    )
    assert syn.cache.limit is None
    assert syn.use_boto_sts_transfers is False
    for name, parameter in inspect.signature(Synapse.login).parameters.items():
        if isinstance(parameter.default, bool) and name != "silent":
            assert str(parameter.default) in find_row("argument", f"{name}=")["default"]


def test_the_port_of_airflow_is_the_default():
    default = find_row("argument", "--port")["default"]
    assert default == f"{airflow_server._DEFAULT_PORT}, or a free one"


@pytest.mark.parametrize("location", [None, "from the file"])
def test_the_location_of_the_file_wins_over_the_argument(tmp_path, location):
    config = tmp_path / "config"
    config.write_text(f"[cache]\nlocation = {tmp_path / location}\n" if location else "")
    syn = Synapse(skip_checks=True, configPath=str(config), cache_root_dir=str(tmp_path / "given"))
    assert Path(syn.cache.cache_root_dir).name == (location or "given")

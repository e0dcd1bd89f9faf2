"""Provider metadata as Airflow reads it."""

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from airflow.sdk.plugins_manager import AirflowPlugin
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

from synapse_workflows.provider_info import get_provider_info


def test_distribution_has_provider_and_plugin_entry_points():
    (provider,) = (
        point
        for point in entry_points(group="apache_airflow_provider")
        if point.dist.name == "synapse-workflows"
    )
    assert provider.load()()["package-name"] == "synapse-workflows"
    (plugin,) = (
        point
        for point in entry_points(group="airflow.plugins")
        if point.dist.name == "synapse-workflows"
    )
    assert issubclass(plugin.load(), AirflowPlugin)


def test_provider_info_is_json_and_imports_nothing():
    assert json.loads(json.dumps(get_provider_info())) == get_provider_info()
    code = (
        "import sys; from synapse_workflows.provider_info import get_provider_info as g; g();"
        "print([m for m in ('airflow', 'requests', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_connection_type_has_its_hook():
    hook = ProvidersManagerTaskRuntime().hooks["synapse"]
    assert hook.hook_class_name.endswith(".SynapseSqlHook")
    assert "synapse.org" in hook.hook_name


@pytest.fixture(scope="module")
def form():
    """Connection form metadata, computed in a subprocess as the web server does."""
    code = (
        "import json\n"
        "from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService\n"
        "found = {m.connection_type: m.model_dump(mode='json')"
        " for m in HookMetaService.hook_meta_data()}\n"
        "found = {k: v for k, v in found.items() if k.startswith('syn')}\n"
        "print('FORM ' + json.dumps(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("FORM "))
    return json.loads(line.removeprefix("FORM "))


def test_the_list_has_one_connection_type(form):
    assert list(form) == ["synapse"]


def test_connection_form_has_fields_of_the_hook(form):
    metadata = form["synapse"]
    assert metadata["extra_fields"].keys() == {
        "auth_endpoint",
        "file_endpoint",
        "portal_endpoint",
        "cache_dir",
        "cache_limit",
        "limit_requests",
        "storage_config",
        "use_boto_sts",
        "env_fallback",
        "lineage_mode",
        "lineage_required",
        "record_params",
        "code_parent_id",
    }
    standard = metadata["standard_fields"]
    assert standard["password"]["title"] == "Personal access token"
    assert standard["host"]["title"] == "REST endpoint"
    assert standard["host"]["placeholder"].startswith(
        "https://repo-prod.prod.sagebase.org/repo/v1"
    )
    assert not standard["port"]["hidden"], "Airflow's test button requires a port"
    assert standard["port"]["placeholder"] == "443"
    assert standard["login"]["hidden"] is True


def test_configuration_has_defaults(monkeypatch):
    from airflow.sdk import conf

    assert conf.get("synapse", "cache_limit") == "20 GB"
    assert conf.get("synapse", "lineage_mode") == "merge"
    assert conf.get("synapse", "cache_dir") == ""
    assert conf.getboolean("synapse", "limit_requests") is True

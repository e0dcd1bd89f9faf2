"""Registration of the pages by the plugin."""

import subprocess
import sys
from importlib.resources import files
from urllib.parse import urlsplit

from synapse_workflows.plugin import SynapsePlugin


def test_the_plugin_has_pages_of_tasks_runs_and_the_navigation():
    destinations = {view["destination"]: view for view in SynapsePlugin.external_views}
    assert destinations.keys() == {"task_instance", "dag_run", "nav"}
    assert len({view["url_route"] for view in SynapsePlugin.external_views}) == 3
    (app,) = SynapsePlugin.fastapi_apps
    for view in destinations.values():
        assert f"/{view['href']}".startswith(f"{app['url_prefix']}/")
        assert not view["href"].startswith("/"), "also below a path of the web server"


def test_the_icons_are_shipped():
    for view in SynapsePlugin.external_views:
        for kind in ("icon", "icon_dark_mode"):
            name = urlsplit(view[kind]).path.rpartition("/")[2]
            assert files("synapse_workflows.ui").joinpath("static", name).is_file()


def test_processes_of_tasks_import_neither_the_pages_nor_their_libraries():
    code = (
        "import sys; import synapse_workflows.plugin;"
        "print([m for m in sys.modules if m.startswith(('fastapi', 'synapse_workflows.drawing',"
        " 'synapse_workflows.ui.')) and m != 'synapse_workflows.ui.views'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

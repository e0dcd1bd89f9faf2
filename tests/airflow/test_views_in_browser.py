"""The pages in Airflow's web server, in Chromium, with a run that was executed."""

from urllib.parse import quote

import pytest
import requests
from support.airflow_pages import run_airflow_pages
from support.chromium import launch_chromium, record_problems, save_screenshot

from synapse_workflows import File

DAG_FILE = """
from pathlib import Path
from airflow.sdk import DAG, Param, task
from synapse_workflows import SynapseGetOperator, SynapseStoreOperator, SynapseTableQueryOperator

FILES = Path(__file__).parents[1] / "files"
PARAMS = {"raw": Param([]), "table": Param("syn1"), "project": Param("syn1")}
with DAG("page_pipeline", schedule=None, params=PARAMS) as dag:
    project = "{{ params.project }}"

    @task
    def list_raw(params=None):
        return params["raw"]

    @task
    def clean(file, ti=None):
        path = FILES / f"cleaned_{ti.map_index}.csv"
        path.write_text(Path(file["path"]).read_text().lower())
        return str(path)

    @task
    def report(files, rows):
        path = FILES / "report.md"
        path.write_text(f"{len(list(files))} files, rows in {rows['path']}")
        return str(path)

    raw = SynapseGetOperator.partial(task_id="get_raw").expand(entity_id=list_raw())
    stored = SynapseStoreOperator.partial(task_id="store_cleaned", parent_id=project).expand(
        path=clean.expand(file=raw.output)
    )
    query = SynapseTableQueryOperator(task_id="query", sql="select * from {{ params.table }}")
    SynapseStoreOperator(
        task_id="store_report",
        path=report(stored.output, query.output),
        parent_id=project,
        used="https://example.org/protocol.pdf",
    )
"""


@pytest.fixture
def pages(tmp_path, alice, project, filled, connection):
    """Web server of Airflow after a run of the DAG."""
    for name in ("dags", "files"):
        (tmp_path / name).mkdir()
    (tmp_path / "dags" / "page_pipeline.py").write_text(DAG_FILE)
    raw = []
    for number in range(2):
        path = tmp_path / "files" / f"raw_{number}.csv"
        path.write_text(f"A,B\n{number},2\n")
        raw.append(alice.store(File(str(path), parent=project)).id)
    parameters = {"raw": raw, "table": filled, "project": project}
    runs = {"page_pipeline": parameters}
    with run_airflow_pages(tmp_path, tmp_path / "dags", connection, runs) as pages:
        yield pages


def log_in(page, pages):
    """Sign in as a user of the web interface does."""
    page.goto(pages.url)
    page.fill("input[name=username]", "alice")
    page.fill("input[name=password]", pages.passwords["alice"])
    page.click("button[type=submit]")
    page.get_by_role("button", name="Browse").wait_for()


def follow_list(page, run_id):
    """Go from the navigation over the list to the run; return its page in the frame."""
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Synapse lineage").click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name=run_id).wait_for()
    save_screenshot(page, "lineage_list")
    frame.get_by_role("link", name=run_id).click()
    page.wait_for_url("**/plugin/synapse_run_lineage")
    frame.locator("#graph-canvas[data-ready]").wait_for()
    return frame


def check_run(page, frame, portal):
    """Check the nodes of the run and their links."""
    texts = frame.locator(".graph-list").inner_text()
    for text in ("raw_0.csv", "Results", "page_pipeline.py", "protocol.pdf", "cleaned_1.csv"):
        assert text in texts
    assert "is an open version" in texts, "the gap of the table"
    report = frame.get_by_role("heading", name="report.md", exact=True).get_by_role("link")
    assert report.get_attribute("href").startswith(f"{portal}/Synapse:syn")
    with page.context.expect_page() as opened:
        report.click()
    assert opened.value.url == report.get_attribute("href"), "Synapse opens in a new window"
    opened.value.close()
    frame.locator("#graph-canvas").focus()
    page.keyboard.press("ArrowRight")
    frame.locator("#graph-details h3").wait_for()
    page.keyboard.press("Escape")


def check_task(page, frame):
    """Go from the run to a task, its links and its page."""
    heading = frame.get_by_role("heading", name="store_report", exact=True)
    heading.get_by_role("link").click()
    page.wait_for_url("**/tasks/store_report")
    page.get_by_role("link", name="Details", exact=True).click()
    for name in ("Synapse entity", "Provenance"):
        page.get_by_role("link", name=name).first.wait_for()
    page.get_by_role("link", name="Lineage", exact=True).click()
    frame.get_by_role("heading", name="Lineage of store_report").wait_for()
    frame.locator("#graph-canvas[data-ready]").wait_for()
    frame.get_by_role("link", name="Lineage of the whole run").click()
    page.wait_for_url("**/plugin/synapse_run_lineage")


def check_mapped_instance(page, pages, run_id):
    """Open the page of an instance of a mapped task: it has the lineage of this instance only."""
    path = f"dags/page_pipeline/runs/{quote(run_id, safe='')}/tasks/store_cleaned/mapped/1"
    page.goto(f"{pages.url}/{path}/plugin/synapse_task_lineage")
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="raw_1.csv", exact=True).wait_for()
    assert frame.get_by_role("heading", name="raw_0.csv", exact=True).count() == 0
    assert frame.get_by_role("heading", name="report.md", exact=True).count() == 1


def switch_theme(page, frame):
    """Switch Airflow to dark colors; the page in the frame follows."""
    page.evaluate("localStorage.setItem('theme', 'dark')")
    page.reload()
    frame.locator("html[data-theme=dark] #graph-canvas[data-ready]").wait_for()
    return frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Airflow's API server
def test_the_lineage_of_a_run_is_shown_in_airflow_to_users_who_are_signed_in(
    pages, socket_service
):
    headers = {"Authorization": f"Bearer {pages.log_in('carol')}"}
    dag = requests.get(
        f"{pages.url}/api/v2/dags/page_pipeline/dagRuns", headers=headers, timeout=30
    )
    run_id = dag.json()["dag_runs"][0]["dag_run_id"]
    for path in ("runs", f"dags/page_pipeline/run?run_id={quote(run_id)}", "static/frame.js"):
        url = f"{pages.url}/synapse/{path}"
        assert requests.get(url, timeout=30).status_code == 401, path
        assert requests.get(url, timeout=30, headers=headers).status_code == 200, path
    with launch_chromium() as browser:
        page = browser.new_page(viewport={"width": 1500, "height": 950}, color_scheme="light")
        problems = record_problems(page)
        log_in(page, pages)
        problems.clear()  # of the page before the login
        frame = follow_list(page, run_id)
        check_run(page, frame, socket_service.endpoints["portalEndpoint"].rstrip("/"))
        save_screenshot(page, "lineage_run")
        check_task(page, frame)
        assert switch_theme(page, frame) != "rgb(255, 255, 255)"
        save_screenshot(page, "lineage_run_dark")
        check_mapped_instance(page, pages, run_id)
        save_screenshot(page, "lineage_mapped_instance_dark")
        sandbox = "allow-same-origin"  # Airflow's frame, of which Chromium warns
        assert [problem for problem in problems if sandbox not in problem] == []

"""SynapseWikiOperator: templates, sub-pages, attachments, sources, retries and parallel runs."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import (
    File,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    SynapseWikiOperator,
    Wiki,
)
from synapse_workflows.hooks.wiki_content import format_sources, link_images
from synapse_workflows.idempotency.task_state import MemoryStore, TaskState
from synapse_workflows.idempotency.wiki_pages import WikiContent, WikiLocation, store_page
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef

RUNS = count(1)


@pytest.fixture
def write(api, project, tmp_path):
    """Function that runs a SynapseWikiOperator; returns its last result and its run."""

    def run(*, tries=1, run=None, **arguments):
        with DAG("write", schedule=None, template_searchpath=[str(tmp_path)]) as dag:
            options = {"entity_id": project, "cite_sources": False, **arguments}
            SynapseWikiOperator(task_id="write", retries=5, **options)
        dag_run = run or Run(api, dag, f"run_{next(RUNS)}")
        for _ in range(tries):
            result = dag_run.task("write", max_tries=5)
        return result, dag_run

    return run


@pytest.fixture
def image(tmp_path):
    """An image with unique content."""
    path = tmp_path / "curve.png"
    path.write_text(f"{uuid4()}")
    return path


def list_titles(alice, project):
    return [each.get("title") for each in alice.getWikiHeaders(project)]


def count_versions(alice, project, page):
    path = f"/entity/{project}/wiki2/{page.id}/wikihistory?limit=50&offset=0"
    return len(alice.restGET(path)["results"])


def test_root_page_from_a_template_file(write, alice, project, tmp_path):
    text = "# Lauf {{ run_id }} 📈\n\n{% for n in params.rows %}* {{ n }}\n{% endfor %}\n"
    (tmp_path / "report.md").write_text(text)
    result, run = write(markdown="report.md", params={"rows": [1, 2]})
    assert result.state == "success", result.error
    page = alice.getWiki(project)
    assert page.markdown == f"# Lauf {run.run_id} 📈\n\n* 1\n* 2\n"
    value = run.value("write")
    url = value["url"]
    assert value == {
        "entity_id": project, "wiki_id": page.id, "title": None, "url": url, "attachments": [],
    }  # fmt: skip
    assert url.endswith(f"/Synapse:{project}/wiki/{page.id}")
    assert run.value("write", "wiki_id") == page.id
    assert run.value("write", "synapse_entity_link") == url


def test_missing_template_file_fails(write, alice, project):
    result, _ = write(markdown="missing.md")
    assert result.state == "failed"
    assert "the template file was not found" in str(result.error)


def test_markdown_file_is_no_template(write, alice, project, tmp_path):
    path = tmp_path / "made.md"
    path.write_bytes(b"a {{ b }}\r\n\xc3\xbc\n")
    result, _ = write(markdown_path=str(path))
    assert result.state == "success", result.error
    assert alice.getWiki(project).markdown == "a {{ b }}\r\nü\n"
    result, _ = write(markdown="see\nREADME.md")
    assert result.state == "success", result.error
    assert alice.getWiki(project).markdown == "see\nREADME.md"
    path.write_bytes(b"\xff")
    result, _ = write(markdown_path=str(path))
    assert (result.state, "not a text in UTF-8" in str(result.error)) == ("failed", True)


def test_sub_page_is_selected_by_its_title(write, alice, project):
    for text in ("one", "two", "two"):
        result, run = write(markdown=text, title="Report {{ dag.dag_id }}")
        assert result.state == "success", result.error
    assert list_titles(alice, project) == [None, "Report write"]
    page = alice.getWiki(project, run.value("write")["wiki_id"])
    assert (page.title, page.markdown) == ("Report write", "two")
    assert count_versions(alice, project, page) == 2
    assert alice.getWiki(project).markdown == ""


def test_sub_page_below_another_page(write, alice, project):
    root = alice.store(Wiki(owner=project, title="Home", markdown="kept"))
    top = alice.store(Wiki(owner=project, title="Reports", parentWikiId=root.id))
    alice.store(Wiki(owner=project, title="Report", markdown="other", parentWikiId=root.id))
    result, run = write(markdown="text", title="Report", parent_title="Reports")
    assert result.state == "success", result.error
    page = alice.getWiki(project, run.value("write")["wiki_id"])
    assert (page.parentWikiId, page.markdown) == (top.id, "text")
    assert alice.getWiki(project).markdown == "kept"
    for title, words in (("None such", "no page has this title"), ("Report", "the pages ")):
        result, _ = write(markdown="text", title="x", parent_title=title)
        assert result.state == "failed"
        assert words in str(result.error)


def test_attached_image_is_shown(write, alice, project, image, tmp_path):
    arguments = {"markdown": "![A curve](curve.png)", "attachments": [str(image)]}
    result, run = write(**arguments)
    assert result.state == "success", result.error
    page = alice.getWiki(project)
    assert page.markdown == "${image?fileName=curve.png&altText=A%20curve}"
    assert run.value("write", "attachments") == ["curve.png"]
    write(**arguments)
    assert alice.getWiki(project).etag == page.etag
    image.write_text("another curve")
    other = tmp_path / "notes.md"
    other.write_text("no {{ template }}")
    write(markdown=arguments["markdown"], attachments=[str(image), str(other)])
    page = alice.getWiki(project)
    assert [each.fileName for each in alice.getWikiAttachments(page)] == ["curve.png", "notes.md"]
    url = f"/entity/{project}/wiki2/{page.id}/attachment?fileName={{}}&redirect=false"
    for path in (image, other):
        link = alice.call("GET", url.format(path.name)).text
        assert alice.call("GET", link).text == path.read_text()
    assert count_versions(alice, project, page) == 2
    _, run = write(**arguments)
    assert run.value("write", "attachments") == ["curve.png", "notes.md"]
    _, run = write(**arguments, keep_attachments=False)
    assert run.value("write", "attachments") == ["curve.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"markdown": " "}, "expected text"),
        ({"markdown": "x", "title": "{{ '' }}"}, "Invalid title"),
        ({"markdown": "x", "entity_id": "syn1.2"}, "Invalid entity_id 'syn1.2'"),
        ({"markdown": "x", "attachments": ["missing.png"]}, "missing.png"),
        ({"markdown": "x", "attachments": 3}, "attachments"),
        ({"markdown": "x", "used": 3}, "used"),
    ],
)
def test_invalid_value_fails_before_anything_is_stored(write, alice, project, arguments, words):
    result, _ = write(**arguments)
    assert result.state == "failed"
    assert words in str(result.error)
    with pytest.raises(FileNotFoundError, match="A root wiki does not exist"):
        alice.getWiki(project)


def test_two_attachments_of_one_name_fail(write, image, tmp_path):
    (tmp_path / "sub").mkdir()
    twin = tmp_path / "sub" / image.name
    twin.write_text("twin")
    result, _ = write(markdown="x", attachments=[str(image), str(twin)])
    assert (result.state, "several files have the name" in str(result.error)) == ("failed", True)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"markdown": "x", "markdown_path": "y"},
        {"markdown": "x", "parent_title": "y"},
        {"markdown": "x", "cite_sources": "yes"},
    ],
)
def test_invalid_arguments_of_the_constructor(arguments):
    with pytest.raises(ValueError, match=r"markdown|parent_title|cite_sources"):
        SynapseWikiOperator(task_id="write", entity_id="syn1", **arguments)


def test_page_cites_the_versions_that_were_read(api, alice, project, tmp_path):
    path = tmp_path / "raw.csv"
    path.write_text(f"{uuid4()}")
    raw = alice.store(File(str(path), parent=project))
    path.write_text(f"{uuid4()}")
    project_file = alice.store(File(str(path), parent=project, name="other.csv"))
    (tmp_path / "report.md").write_text(
        f"Result {uuid4()}: {{{{ ti.xcom_pull('store')['id'] }}}}\n\n"
    )
    with DAG("report", schedule=None, template_searchpath=[str(tmp_path)]) as dag:
        got = SynapseGetOperator(task_id="get", entity_id=raw.id)
        stored = SynapseStoreOperator(
            task_id="store", path=got.output, parent_id=project, name="copy.csv"
        )
        write = SynapseWikiOperator(
            task_id="write",
            entity_id=project,
            title="Report",
            markdown="report.md",
            used=["https://example.org/terms", project_file.id],
            executed=["https://example.org/code/(1)"],
        )
        stored >> write
    dag.resolve_template_files()  # as Airflow does when it has parsed the file
    run = Run(api, dag, f"run_{next(RUNS)}")
    for task_id in ("get", "store", "write"):
        result = run.task(task_id)
        assert result.state == "success", result.error
    copy = run.value("store")
    portal = alice.portalEndpoint.rstrip("/")
    page = alice.getWiki(project, run.value("write")["wiki_id"])
    head, _, code = page.markdown.partition("\n\n## Code\n\n")
    text, _, sources = head.partition("\n\n")
    assert text.endswith(f": {copy['id']}")
    assert sources == (
        "## Sources\n\n"
        "- [https://example.org/terms](https://example.org/terms)\n"
        f"- [{project_file.id}.1]({portal}/Synapse:{project_file.id}.1)\n"
        f"- [{copy['id']}.1]({portal}/Synapse:{copy['id']}.1)"
    )
    assert "- [https://example.org/code/(1)](https://example.org/code/%281%29)" in code
    for name in (Path(__file__).name, "report.md"):
        assert f"- {name.replace('_', chr(92) + '_')} (sha256 " in code
    (output,) = Record.from_json(run.record("write")).wrote
    assert output == UrlRef(run.value("write")["url"], "Wiki page Report")
    run.task("write")
    assert count_versions(alice, project, page) == 1


def test_sources_are_listed_in_markdown():
    record = Record.from_refs(
        Origin.READ,
        used=[EntityRef("syn1", 2), UrlRef("https://example.org/a b", "a*b")],
    )
    assert format_sources(record, "https://www.synapse.org/") == (
        "\n\n## Sources\n\n- [syn1.2](https://www.synapse.org/Synapse:syn1.2)\n"
        "- [a\\*b](https://example.org/a%20b)"
    )
    assert format_sources(Record(), "https://www.synapse.org/") == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("![a](a.png)", "a.png"),
        ("![a](./a%20b.png)", "a%20b.png"),
        ("![a](<a b.png>)", "a%20b.png"),
        ("![a](c(1).png)", "c%281%29.png"),
        ('![a]( a.png "A title (1)" )', "a.png"),
    ],
)
def test_attached_image_is_converted(text, name):
    expected = f"x ${{image?fileName={name}&altText=a}} ![b](b.png)"
    assert link_images(f"x {text} ![b](b.png)", ["a.png", "a b.png", "c(1).png"]) == expected


@pytest.mark.parametrize(
    "text",
    [
        "![b](b.png) [a](a.png) ![x](https://x.org/a.png) ![a](a.png b.png)",
        "`![a](a.png)` ``` ` ![a](a.png)\n```",
        "text\n\n```md\n\n![a](a.png)\n```\n",
        "~~~\n![a](a.png)",
    ],
)
def test_other_images_and_code_are_not_converted(text):
    assert link_images(text, ["a.png"]) == text
    assert link_images("`a\n\n![a](a.png)\n\nb`", ["a.png"]).count("${image") == 1


def test_wiki_pages_in_code_are_lineage(api, alice, project, tmp_path):
    page = alice.store(Wiki(owner=project, title="Protocol", markdown="x"))

    @task
    def work():
        client = SynapseHook().client
        read = client.getWiki(project, version=0)
        client.store(Wiki(owner=project, title="Log", parentWikiId=read))
        client.delete(client.store(Wiki(owner=project, title="Draft", parentWikiId=read)))

    @task
    def work_without_lineage():
        client = SynapseHook(lineage_mode="off").client
        client.store(client.getWiki(project))

    with DAG("work", schedule=None) as dag:
        work()
        work_without_lineage()
    run = Run(api, dag, f"run_{next(RUNS)}")
    for task_id in ("work", "work_without_lineage"):
        result = run.task(task_id)
        assert result.state == "success", result.error
    url = f"{alice.portalEndpoint.rstrip('/')}/Synapse:{project}/wiki/"
    record = Record.from_json(run.record("work"))
    assert record.inputs() == (UrlRef(f"{url}{page.id}", "Wiki page Protocol (version 0)"),)
    (log,) = alice.getWikiHeaders(project)[1:]
    assert record.wrote == (UrlRef(f"{url}{log.id}", "Wiki page Log"),)
    assert run.record("work_without_lineage") is None


@pytest.fixture
def clients(connection, monkeypatch):
    """Three clients of hooks outside a task."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    return [SynapseHook().client for _ in range(3)]


def write_page(client, project, text, store=None, title="Report"):
    task = TaskState(store or MemoryStore(), 0)
    return store_page(client, WikiLocation(project, title), WikiContent(text, {}), task)


@pytest.mark.parametrize("title", [None, "Report"])
def test_parallel_tasks_make_one_page(clients, alice, project, title):
    with ThreadPoolExecutor(3) as pool:
        pages = list(
            pool.map(
                lambda number: write_page(clients[number], project, f"{number}", title=title),
                range(3),
            )
        )
    assert len({page.id for page in pages}) == 1
    assert list_titles(alice, project) == ([None] if title is None else [None, "Report"])
    assert alice.getWiki(project, pages[0].id).markdown in {"0", "1", "2"}


def test_retry_deletes_the_duplicate_of_a_killed_try(clients, alice, project):
    root = alice.store(Wiki(owner=project))
    first, second, changed = (
        alice.store(Wiki(owner=project, title="Report", markdown=text, parentWikiId=root.id))
        for text in ("by another run", "of the killed try", "of the killed try")
    )
    alice.store(changed)  # a person has edited this one
    store = MemoryStore()
    target = f"synapse_default\n{project}\nReport\nNone"
    store.set("synapse_wiki_page", {"pages_before": int(root.id), "table": target})
    page = write_page(clients[0], project, "new", store)
    assert page.id == first.id
    assert [each.id for each in alice.getWikiHeaders(project)] == [root.id, first.id, changed.id]
    assert second.id not in {each.id for each in alice.getWikiHeaders(project)}


def test_pages_of_a_title_that_a_person_made_are_kept(clients, alice, project, caplog):
    root = alice.store(Wiki(owner=project))
    pages = [
        alice.store(Wiki(owner=project, title="Report", parentWikiId=root.id)) for _ in range(2)
    ]
    assert write_page(clients[0], project, "new").id == pages[0].id
    assert len(alice.getWikiHeaders(project)) == 3

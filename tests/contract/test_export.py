"""Exports of provenance: the same bytes each time, no secrets, files and stored Files."""

import hashlib
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import get_args
from xml.etree import ElementTree as ET

import pytest
from support.provenance_story import COMMIT, PAGE, SECRET, TASK_URL, store_story

from synapse_workflows import Activity, File
from synapse_workflows.client.errors import SynapseMalformedEntityError, SynapseNotFoundError
from synapse_workflows.constants import USED_URL
from synapse_workflows.local.settings import UserSeed
from synapse_workflows.provenance.export import export_provenance
from synapse_workflows.provenance.export_format import ExportFormat
from synapse_workflows.testing import in_process

FORMATS = get_args(ExportFormat)
NAMES = {
    "prov-json": "out.prov.json",
    "prov-n": "out.provn",
    "ro-crate": "out.crate.zip",
    "mermaid": "out.mmd",
    "svg": "out.svg",
    "html": "out.html",
}


@pytest.fixture
def service(socket_service):
    """The service over a socket only: exports do not depend on the transport."""
    return socket_service


@pytest.fixture(scope="module")
def story(socket_service, tmp_path_factory):
    with socket_service.client("alice") as syn:
        return store_story(syn, tmp_path_factory.mktemp("story"))


def read_crate(path):
    metadata = json.loads((path / "ro-crate-metadata.json").read_text())
    return {entity["@id"]: entity for entity in metadata["@graph"]}


@pytest.mark.parametrize("export_format", FORMATS)
def test_the_same_provenance_gives_the_same_bytes_without_secrets(
    syn, client_of, story, tmp_path, export_format
):
    name, contents = NAMES[export_format], []
    for number, client in enumerate((syn, client_of("alice"))):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        result = export_provenance(client, story.report, path=path)
        assert result.format == export_format
        assert (result.path, result.file_id) == (str(path), None)
        assert f"{result.entity_id}.{result.version}" == story.report
        contents.append(path.read_bytes())
        assert [one.name for one in path.parent.iterdir()] == [name]
    assert contents[0] == contents[1]
    assert SECRET.encode() not in contents[0]


def test_no_export_has_a_secret_in_any_form(syn, story, make_file, tmp_path):
    forms = (
        f"https://user:{SECRET}@host/a", f"https://{SECRET}@host/a", f"https://host/a?sig={SECRET}",
        f"https://host/a?X-Amz-Signature={SECRET}&b", f"https://host/a#token={SECRET}",
        f"https://host/a;password={SECRET}", f"jdbc:db://u:{SECRET}@host/a",
        f"jdbc:sqlserver://host;password={SECRET}", f"git+https://{SECRET}@host/o/r.git@abc#a.py",
        f"postgresql://u:p{SECRET}@host/db",
    )  # fmt: skip
    text = f"Authorization: Bearer {SECRET}\n" + "\n".join(f"see {one} there" for one in forms)
    used = [{"url": one, "name": one, "concreteType": USED_URL} for one in forms]
    executed = [{**one, "url": f"{one['url']}", "wasExecuted": True} for one in used[:5]]
    activity = Activity(forms[0], text, used=used, executed=executed)
    made = syn.store(File(str(make_file()), parent=story.parent), activity=activity)
    for name in NAMES.values():
        export_provenance(syn, made, path=tmp_path / name)
    with zipfile.ZipFile(tmp_path / "out.crate.zip") as archive:
        archive.extractall(tmp_path / "crate")
    files = [one for one in tmp_path.rglob("out.*") if one.suffix != ".zip"]
    files += [one for one in (tmp_path / "crate").iterdir() if one.is_file()]
    assert len(files) == 8
    for file in files:
        assert SECRET not in file.read_text(), file.name


def test_drawings_are_complete_documents(syn, story, tmp_path):
    for name in ("drawing.svg", "drawing.html", "drawing.mmd"):
        export_provenance(syn, story.report, path=tmp_path / name)
    svg = ET.parse(tmp_path / "drawing.svg")  # noqa: S314 - our own file
    assert svg.getroot().tag == "{http://www.w3.org/2000/svg}svg"
    page = (tmp_path / "drawing.html").read_text()
    assert page.startswith("<!doctype html>")
    assert f"Provenance of report.txt ({story.report})" in page
    assert '<link rel="stylesheet"' not in page
    assert (tmp_path / "drawing.mmd").read_text().startswith("flowchart LR\n")
    for name in ("drawing.svg", "drawing.html", "drawing.mmd"):
        assert "cleaned data.csv" in (tmp_path / name).read_text()


@pytest.mark.parametrize("export_format", ["svg", "ro-crate"])
def test_a_stored_export_has_an_activity_and_one_version_for_the_same_content(
    syn, story, export_format
):
    first = export_provenance(syn, story.first_report, export_format, parent=story.parent)
    again = export_provenance(syn, story.first_report, export_format, parent=story.parent)
    assert again == first
    assert (first.path, first.file_version) == (None, 1)
    used = syn.getProvenance(first.file_id)["used"]
    (source,) = [one["reference"] for one in used]
    assert f"{source['targetId']}.{source['targetVersionNumber']}" == story.first_report
    stored = syn.get(first.file_id)
    assert stored.name == f"provenance_{first.entity_id}" + (
        ".svg" if export_format == "svg" else ".crate.zip"
    )
    other = export_provenance(
        syn, story.report, export_format, parent=story.parent, name=stored.name
    )
    with pytest.raises(SynapseMalformedEntityError, match="Invalid name"):
        export_provenance(syn, story.report, export_format, parent=story.parent, name="../x")
    assert (other.file_id, other.file_version) == (first.file_id, 2)
    reference = syn.getProvenance(first.file_id, 2)["used"][0]["reference"]
    assert reference["targetVersionNumber"] == 2


def test_concurrent_exports_store_one_version(syn, story, client_of):
    clients = [client_of("alice") for _ in range(6)]
    names = {"parent": story.parent, "name": "concurrent.svg"}
    with ThreadPoolExecutor(6) as pool:
        exports = list(
            pool.map(lambda one: export_provenance(one, story.report, "svg", **names), clients)
        )
    assert {(one.file_id, one.file_version) for one in exports} == {(exports[0].file_id, 1)}
    used = syn.getProvenance(exports[0].file_id)["used"]
    assert [item["reference"]["targetId"] for item in used] == [story.report.partition(".")[0]]


def test_an_export_is_announced_as_a_read_of_the_exact_version(syn, story, tmp_path, events):
    export_provenance(syn, story.report.split(".")[0], "svg", tmp_path / "a.svg")
    (read,) = events
    assert f"{read.entity_id}.{read.version}" == story.report
    assert not read.is_lookup


def test_an_existing_file_is_replaced_only_on_request(syn, story, tmp_path):
    path = tmp_path / "a.svg"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_provenance(syn, story.report, path=path)
    assert path.read_text() == "mine"
    export_provenance(syn, story.report, path=path, overwrite=True)
    exported = path.read_bytes()
    export_provenance(syn, story.report, path=path)  # the same content is no conflict
    assert path.read_bytes() == exported != b"mine"


def test_a_crate_with_files_has_their_content_and_hashes(syn, story, tmp_path):
    export_provenance(syn, story.report, "ro-crate", tmp_path / "crate", include_files=True)
    entities = read_crate(tmp_path / "crate")
    files = {
        one["identifier"]: one for one in entities.values() if "sha256" in one and "md5" in one
    }
    assert files.keys() == {
        story.raw, story.code, story.cleaned, story.first_report, story.report
    }  # fmt: skip
    cleaned = files[story.cleaned]
    assert cleaned["@id"] == f"data/{story.cleaned}/cleaned%20data.csv"
    content = (tmp_path / "crate" / "data" / story.cleaned / "cleaned data.csv").read_bytes()
    assert content == b"a\n1\n"
    assert cleaned["contentSize"] == str(len(content))
    assert cleaned["sha256"] == hashlib.sha256(content).hexdigest()
    assert cleaned["md5"] == hashlib.md5(content).hexdigest()
    assert cleaned["encodingFormat"] == "text/csv"


def test_files_that_are_too_large_are_an_error_before_any_download(syn, story, tmp_path):
    with pytest.raises(ValueError, match=r"5 files .* have 34 bytes, more than max_total_size=33"):
        export_provenance(
            syn, story.report, "ro-crate", tmp_path / "c", include_files=True, max_total_size=33
        )
    assert not (tmp_path / "c").exists()


def test_a_crate_of_metadata_refers_to_the_files_and_invents_nothing(syn, story, tmp_path):
    export_provenance(syn, story.report, "ro-crate", tmp_path / "crate")
    assert {one.name for one in (tmp_path / "crate").iterdir()} == {
        "README.md", "ro-crate-metadata.json", "workflow.cwl"
    }  # fmt: skip
    entities = read_crate(tmp_path / "crate")
    raw = next(one for one in entities.values() if one.get("identifier") == story.raw)
    assert raw["@id"].endswith(f"/entity/{story.raw.replace('.', '/version/')}/file")
    assert "sha256" not in raw
    url = entities["https://example.org/a%20b/data.csv"]
    assert url.keys() == {"@id", "@type", "name", "url"}
    clean = next(one for one in entities.values() if one.get("name") == "etl.clean")
    assert "startTime" not in clean
    assert clean["url"] == TASK_URL
    assert len(clean["object"]) == 4
    assert [entities[one["@id"]]["name"] for one in clean["instrument"]] == ["clean.py", "etl.py"]
    assert entities[clean["agent"]["@id"]]["name"] == "Alice Archer"
    report = next(one for one in entities.values() if one.get("name") == "etl.report")
    image = entities[report["containerImage"]["@id"]]
    assert (image["registry"], image["sha256"]) == ("quay.io", "c" * 64)
    code = next(entities[one["@id"]] for one in report["instrument"] if one["@id"] == PAGE)
    assert (code["@type"], code["version"]) == (["File", "SoftwareSourceCode"], COMMIT)
    assert "not known" in entities[entities["./"]["license"]["@id"]]["name"].lower()


def test_a_known_license_is_written(syn, story, tmp_path):
    url = "https://creativecommons.org/licenses/by/4.0/"
    export_provenance(syn, story.report, "ro-crate", tmp_path / "crate", license=url)
    assert read_crate(tmp_path / "crate")["./"]["license"] == {"@id": url}


def test_an_orcid_identifies_the_user_where_it_is_known(tmp_path):
    orcid = "https://orcid.org/0000-0002-1825-0097"
    users = (UserSeed(user_name="admin", admin=True), UserSeed(user_name="eve", orcid=orcid))
    with in_process(tmp_path, users=users) as service, service.client("eve") as eve:
        story = store_story(eve, tmp_path)
        export_provenance(eve, story.report, "ro-crate", tmp_path / "crate")
        export_provenance(eve, story.report, path=tmp_path / "a.provn")
    person = read_crate(tmp_path / "crate")[orcid]
    assert (person["@type"], person["name"]) == ("Person", "eve")
    assert "familyName" not in person
    assert f'schema:sameAs="{orcid}" %% xsd:anyURI' in (tmp_path / "a.provn").read_text()


def test_sources_that_cannot_be_read_are_part_of_the_export(
    syn, bob, story, folder, make_file, tmp_path
):
    syn.setPermissions(story.parent, "bob", ["READ"])
    hidden = syn.store(File(str(make_file("hidden.txt")), parent=folder))
    gone = syn.store(File(str(make_file("gone.txt")), parent=folder))
    made = syn.store(
        File(str(make_file("made.txt")), parent=story.parent),
        activity=Activity("mix", used=[hidden, gone]),
    )
    syn.delete(gone)
    for name in ("a.prov.json", "a.provn", "a.mmd", "a.svg", "a.html"):
        export_provenance(bob, made, path=tmp_path / name)
        assert hidden.id in (tmp_path / name).read_text()
    export_provenance(bob, made, "ro-crate", tmp_path / "crate", include_files=True)
    entities = read_crate(tmp_path / "crate")
    by_id = {str(one.get("identifier")): one for one in entities.values()}
    assert by_id[f"{hidden.id}.1"]["@type"] == "CreativeWork"
    assert "not readable" in by_id[f"{hidden.id}.1"]["description"]
    # bob may read the file, and may not download it
    assert "cannot be downloaded" in by_id[f"{made.id}.1"]["description"]
    assert not (tmp_path / "crate" / "data").exists()


def test_a_cut_off_provenance_says_so(syn, story, tmp_path):
    for name in ("a.prov.json", "a.provn", "a.mmd", "a.svg", "a.html"):
        export_provenance(syn, story.report, path=tmp_path / name, depth=1)
        assert "continues at" in (tmp_path / name).read_text()
    export_provenance(syn, story.report, "ro-crate", tmp_path / "crate", depth=1)
    assert "continues at" in read_crate(tmp_path / "crate")["./"]["description"]


def test_an_entity_without_an_activity(syn, story, tmp_path):
    export_provenance(syn, story.raw, path=tmp_path / "raw.provn")
    assert f"synapse:{story.raw}" in (tmp_path / "raw.provn").read_text()
    with pytest.raises(ValueError, match="has no Activity"):
        export_provenance(syn, story.raw, "ro-crate", tmp_path / "raw")
    assert {one.name for one in tmp_path.iterdir()} & {"raw", ".raw"} == set()


def test_a_project_has_no_version(syn, project, story, tmp_path):
    syn.setProvenance(project, Activity("collect", used=[story.raw]))
    result = export_provenance(syn, project, path=tmp_path / "a.provn")
    assert (result.entity_id, result.version) == (project.id, None)
    assert "not known" not in (tmp_path / "a.provn").read_text()
    export_provenance(syn, project, "ro-crate", tmp_path / "crate")
    by_id = {str(one.get("identifier")): one for one in read_crate(tmp_path / "crate").values()}
    assert by_id[project.id]["@type"] == "Dataset"
    assert "version" not in by_id[project.id]


def test_an_archive_has_the_files_of_the_directory(syn, story, tmp_path):
    export_provenance(syn, story.report, "ro-crate", tmp_path / "crate", include_files=True)
    export_provenance(syn, story.report, "ro-crate", tmp_path / "a.zip", include_files=True)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    crate = tmp_path / "crate"
    assert files == {
        one.relative_to(crate).as_posix(): one.read_bytes()
        for one in crate.rglob("*")
        if one.is_file()
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "a.json"}, "none of the suffixes .*, one of 'prov-json'"),
        ({"path": "a.zip"}, "none of the suffixes"),
        ({"parent": "syn1"}, "there is no path"),
        ({"format": "pdf", "path": "a.pdf"}, "Invalid format 'pdf'"),
        ({"format": "svg", "parent": "nonsense"}, "nonsense"),
        ({"format": "svg"}, "path and parent are missing"),
        (
            {"format": "ro-crate", "path": "ro-crate-metadata.json"},
            "is a directory, or an archive",
        ),
        ({"path": "a.svg", "name": "x"}, "pass its parent"),
        ({"format": "svg", "path": ""}, "Invalid path ''"),
        ({"format": "svg", "path": "/"}, "Invalid path '/'"),
        ({"path": 5}, "Invalid path 5"),
        ({"format": "svg", "parent": "syn1", "name": ""}, "Invalid name ''"),
        ({"format": "svg", "parent": "syn1", "name": 5}, "Invalid name 5"),
        ({"path": "a.svg", "depth": 0}, "Invalid depth 0"),
        ({"path": "a.svg", "include_files": True}, "include_files is an option of .*'ro-crate'"),
        ({"path": "a.svg", "license": "MIT"}, "license is an option"),
        ({"format": "svg", "parent": "syn1", "overwrite": True}, "overwrite is an option of path"),
        ({"path": "a.crate.zip", "max_total_size": -1}, "Invalid max_total_size -1"),
    ],
)
def test_invalid_arguments_are_errors_before_any_request(syn, arguments, message):
    with pytest.raises(ValueError, match=message):
        export_provenance(syn, "syn999999", **arguments)


def test_a_missing_entity_and_a_missing_directory_are_errors(syn, story, tmp_path):
    with pytest.raises(SynapseNotFoundError):
        export_provenance(syn, "syn999999", path=tmp_path / "a.svg")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        export_provenance(syn, story.report, path=tmp_path / "missing" / "a.svg")

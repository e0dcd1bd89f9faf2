"""Files and directories appear complete, or not at all, and replace nothing by accident."""

import os
import zipfile

import pytest

from synapse_workflows.provenance.atomic_output import write_archive, write_output


def write_file(content):
    return lambda path: path.write_text(content)


def write_crate(**files):
    def write(path):
        for name, content in {"ro-crate-metadata": "{}", **files}.items():
            path.mkdir(exist_ok=True)
            (path / f"{name}.json").write_text(content)

    return write


def fail(path):
    path.write_text("half")
    raise OSError("disk full")


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="disk full"):
        write_output(tmp_path / "a", fail, overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_existing_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"):
        write_output(path, fail, overwrite=True)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a", "old")]


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_same_content_is_not_written_again(tmp_path, overwrite):
    for name, write in (("file", write_file("x")), ("crate", write_crate(a="1"))):
        path = tmp_path / name
        write_output(path, write, overwrite=False)
        os.utime(path, (1, 1))
        write_output(path, write, overwrite=overwrite)
        assert path.stat().st_mtime == 1


def test_a_crate_is_replaced_as_a_whole_on_request(tmp_path):
    path = tmp_path / "crate"
    write_output(path, write_crate(a="1"), overwrite=False)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_output(path, write_crate(b="2"), overwrite=False)
    write_output(path, write_crate(b="2"), overwrite=True)
    assert {one.name for one in path.iterdir()} == {"b.json", "ro-crate-metadata.json"}
    assert [one.name for one in tmp_path.iterdir()] == ["crate"]


def test_other_directories_are_never_replaced(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    (path / "thesis.txt").write_text("10 years of work")
    for write in (write_file("x"), write_crate()):
        with pytest.raises(FileExistsError, match="no RO-Crate"):
            write_output(path, write, overwrite=True)
    assert (path / "thesis.txt").read_text() == "10 years of work"


def test_a_file_of_another_process_is_not_replaced(tmp_path):
    path = tmp_path / "a"

    def write(complete):
        complete.write_text("mine")
        path.write_text("theirs")

    with pytest.raises(FileExistsError):
        write_output(path, write, overwrite=False)
    assert path.read_text() == "theirs"


def test_an_archive_depends_on_names_and_contents_only(tmp_path):
    archives = []
    for number, names in enumerate((("b", "a"), ("a", "b"))):
        directory = tmp_path / str(number)
        (directory / "sub").mkdir(parents=True)
        for name in names:
            (directory / "sub" / name).write_text(name)
            os.utime(directory / "sub" / name, (number, number + 10))
        (directory / "sub" / "a").chmod(0o600 if number else 0o644)
        archives.append(tmp_path / f"{number}.zip")
        write_archive(archives[-1], directory)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with zipfile.ZipFile(archives[0]) as archive:
        assert archive.namelist() == ["sub/a", "sub/b"]


@pytest.mark.parametrize("content", ["same", "other"])
def test_a_crate_of_another_process_is_accepted_if_it_is_the_same(tmp_path, content):
    path = tmp_path / "crate"

    def write(complete):
        write_crate(a="same")(complete)
        write_crate(a=content)(path)

    if content == "same":
        write_output(path, write, overwrite=False)
    else:
        with pytest.raises(FileExistsError):
            write_output(path, write, overwrite=False)
    assert (path / "a.json").read_text() == content


def test_a_crate_that_cannot_be_replaced_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "crate"
    write_output(path, write_crate(a="old"), overwrite=False)
    rename = type(path).rename

    def refuse(self, target):
        if target == path and self.name == "crate":
            raise OSError("refused")
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", refuse)
    with pytest.raises(OSError, match="refused"):
        write_output(path, write_crate(a="new"), overwrite=True)
    assert (path / "a.json").read_text() == "old"

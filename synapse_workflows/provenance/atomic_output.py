"""Writing of a file or a directory that appears complete, under its name, or not at all."""

import filecmp
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: File that makes a directory an RO-Crate.
CRATE_FILE: Final = "ro-crate-metadata.json"
#: Time of files in archives: the first one that the format can represent.
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
_FILE_MODE: Final = 0o100644 << 16


def write_output(path: Path, write: Callable[[Path], None], *, overwrite: bool) -> None:
    """Write a file or a directory, and move it to its path when it is complete.

    Nothing is changed if the path has the same content already.

    Args:
        path: Where to write. The parent directory exists.
        write: Writes to the path that it is called with, which does not exist.
        overwrite: Whether to replace a file, or a directory that is an RO-Crate.

    Raises:
        ValueError: The path has no name.
        FileNotFoundError: The parent directory does not exist.
        FileExistsError: The path exists with other content, and `overwrite` is False or may not
            replace it.
    """
    if not path.name:
        raise ValueError(f"Cannot write {str(path)!r}: expected the path of a file or directory.")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"Cannot write {str(path)!r}: the directory {str(path.parent)!r} does not exist. "
            "Create it first."
        )
    with _temporary_directory(path) as directory:
        complete = directory / path.name
        write(complete)
        if _has_same_content(path, complete):
            return
        _check_replaceable(path, complete, overwrite=overwrite)
        try:
            _move(complete, path, directory, overwrite=overwrite)
        except FileExistsError:
            if not _has_same_content(path, complete):  # of another process
                raise


def write_archive(path: Path, directory: Path) -> None:
    """Write a ZIP archive of a directory. The same files give the same bytes.

    Args:
        path: The archive.
        directory: Its files are added in the order of their paths, without their times.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(one for one in directory.rglob("*") if one.is_file()):
            info = zipfile.ZipInfo(file.relative_to(directory).as_posix(), _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = _FILE_MODE
            is_large = file.stat().st_size >= zipfile.ZIP64_LIMIT
            with (
                file.open("rb") as source,
                archive.open(info, "w", force_zip64=is_large) as target,
            ):
                shutil.copyfileobj(source, target)


@contextmanager
def _temporary_directory(path: Path) -> Iterator[Path]:
    """Provide a directory in the file system of a path."""
    directory = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:80]}."))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _has_same_content(path: Path, other: Path) -> bool:
    if path.is_file() and other.is_file():
        return filecmp.cmp(path, other, shallow=False)
    if not (path.is_dir() and other.is_dir()):
        return False
    names = [sorted(one.relative_to(top) for one in top.rglob("*")) for top in (path, other)]
    return names[0] == names[1] and all(
        (path / name).is_dir() == (other / name).is_dir()
        and ((path / name).is_dir() or filecmp.cmp(path / name, other / name, shallow=False))
        for name in names[0]
    )


def _check_replaceable(path: Path, complete: Path, *, overwrite: bool) -> None:
    """Check that a path can be replaced.

    Raises:
        FileExistsError: It can not.
    """
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise FileExistsError(
            f"{str(path)!r} exists, with other content. Pass another path, or overwrite=True."
        )
    is_crate = complete.is_dir() and (path / CRATE_FILE).is_file()
    is_empty = complete.is_dir() and path.is_dir() and not any(path.iterdir())
    if path.is_dir() and not (is_crate or is_empty):
        raise FileExistsError(
            f"{str(path)!r} is a directory that is no RO-Crate, and is not replaced. Pass "
            "another path."
        )


def _move(complete: Path, path: Path, directory: Path, *, overwrite: bool) -> None:
    """Move a complete file or directory to its path.

    Raises:
        FileExistsError: Another process has created the path meanwhile.
    """
    if complete.is_dir():
        _move_directory(complete, path, directory / "replaced")
    elif overwrite:
        complete.replace(path)
    else:
        _move_file(complete, path)


def _move_directory(complete: Path, path: Path, replaced: Path) -> None:
    """Move a directory to its path, after an existing one was moved out of the way."""
    exists = os.path.lexists(path)
    if exists:
        path.rename(replaced)
    try:
        complete.rename(path)
    except OSError as error:
        if os.path.lexists(path):
            raise _created_meanwhile(path) from error
        if exists:
            replaced.rename(path)
        raise


def _move_file(complete: Path, path: Path) -> None:
    """Rename a file, unless the new name exists."""
    try:
        try:
            path.hardlink_to(complete)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            path.touch(exist_ok=False)
            complete.replace(path)
    except FileExistsError as error:
        raise _created_meanwhile(path) from error


def _created_meanwhile(path: Path) -> FileExistsError:
    return FileExistsError(
        f"{str(path)!r} was created by another process meanwhile. Pass another path, or "
        "overwrite=True."
    )

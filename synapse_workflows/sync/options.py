"""Options of a plan, and the checks that all plans have in common."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

#: What to do about files that cannot be synchronized: `fail` before any change, or `skip` them.
UnsupportedFiles = Literal["fail", "skip"]


def select_all(path: str) -> bool:  # noqa: ARG001 - a function of paths
    """Select every path."""
    return True


@dataclass(frozen=True)
class PlanOptions:
    """Options of a plan.

    Args:
        selects: Returns whether a path below the directory is synchronized.
        is_filtered: Whether `selects` may leave out paths. Then folders are not compared.
        follow_symlinks: Whether symbolic links in a local source are followed.
        manifest: Path below the directory of the manifest that a download writes; None for the
            default, or a place elsewhere.
    """

    selects: Callable[[str], bool] = select_all
    is_filtered: bool = False
    follow_symlinks: bool = True
    manifest: str | None = None


def list_parents(path: str) -> list[str]:
    """Return the paths of the folders above a path, the top one (without name) left out."""
    names = path.split("/")[:-1]
    return ["/".join(names[:depth]) for depth in range(1, len(names) + 1)]


def find_extra_folders(folders: Iterable[str], present: Iterable[str]) -> list[str]:
    """Return the folders of the target that the source does not have, the deepest first."""
    kept = set(present)
    kept |= {above for path in present for above in list_parents(path)}
    return sorted(set(folders) - kept, key=lambda path: (-path.count("/"), path))

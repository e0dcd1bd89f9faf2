"""Reference model of the lineage of DAG runs (DESIGN, section 4), independent of the package.

The model knows what each task of a DAG reads and stores. It computes the sources that the Activity
of each stored version must have.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

#: An entity and its version number.
Source = tuple[str, int]
#: Run, task and map index (-1 for a task that is not mapped).
InstanceKey = tuple[str, str, int]


@dataclass(frozen=True)
class Op:
    """One operation of a task.

    Args:
        kind: `read` or `look` at (properties only) a raw file; `store` a file; `append` a row to a
            table; `reread` a file that the task has stored.
        name: name of the file or table. `{i}` is replaced by the map index.
        version: version of the raw file.
        text: content of the stored file. `{i}`, `{run}` and `{try}` are replaced.
    """

    kind: Literal["read", "look", "store", "append", "reread"]
    name: str
    version: int = 0
    text: str = ""

    def render(self, index: int, run: str, attempt: int) -> "Op":
        """Return the operation of one try of an instance."""
        values = {"{i}": str(max(index, 0)), "{run}": run, "{try}": str(attempt)}
        name, text = self.name, self.text
        for old, new in values.items():
            name, text = name.replace(old, new), text.replace(old, new)
        return replace(self, name=name, text=text)


@dataclass(frozen=True)
class Task:
    """A task of a DAG.

    Args:
        task_id: id of the task.
        after: direct upstream tasks.
        data: those upstream tasks whose output the task takes as an argument.
        over: the upstream task over whose output the task is mapped; `literal` for a literal list
            of `count` items; None for a task that is not mapped.
        count: number of instances of a mapped task.
        tries: the operations of each try; all tries but the last one fail at their end.
        inlets: raw files that are inlets.
        chosen: the downstream task that a branch task chooses; None for other tasks.
    """

    task_id: str
    after: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    over: str | None = None
    count: int = 1
    tries: tuple[tuple[Op, ...], ...] = ((),)
    inlets: tuple[str, ...] = ()
    chosen: str | None = None

    @property
    def indexes(self) -> Sequence[int]:
        """The map indexes of the instances."""
        return [-1] if self.over is None else range(self.count)


@dataclass(eq=False)
class Activity:
    """An Activity, and the versions that have it."""

    sources: frozenset[Source]
    versions: set[Source] = field(default_factory=set)


@dataclass
class Version:
    """A version of a stored file."""

    text: str
    owner: InstanceKey
    activity: Activity


@dataclass(frozen=True)
class Seen:
    """A used entity version, and how the task knows it; `version` is None for an inlet."""

    kind: Literal["read", "look", "inlet", "wrote"]
    name: str
    version: int | None


@dataclass
class Instance:
    """What one instance of a task has done in its last try."""

    used: set[Seen] = field(default_factory=set)
    wrote: set[Source] = field(default_factory=set)


class LineageModel:
    """Model of a project and of the runs that store in it.

    Args:
        current: number of the current version of each raw file.
    """

    def __init__(self, current: Mapping[str, int]) -> None:
        self.current = dict(current)
        self.files: defaultdict[str, list[Version]] = defaultdict(list)
        self.tables: dict[str, frozenset[Source]] = {}
        self.succeeded: dict[InstanceKey, Instance] = {}
        #: The Activities of the tries of each instance, the newest last.
        self.activities: defaultdict[InstanceKey, list[Activity]] = defaultdict(list)

    def run(self, tasks: Mapping[str, Task], run: str, task_id: str, index: int) -> None:
        """Run all tries of an instance of a task."""
        task = tasks[task_id]
        inherited = self._inherit(tasks, run, task, index)
        key = (run, task_id, index)
        for attempt, ops in enumerate(task.tries, start=1):
            instance = Instance({Seen("inlet", name, None) for name in task.inlets})
            one = _Try(self, key, instance, inherited)
            for op in ops:
                one.apply(op.render(index, run, attempt))
        self.succeeded[key] = instance

    def _inherit(
        self, tasks: Mapping[str, Task], run: str, task: Task, index: int | None
    ) -> frozenset[Seen]:
        """Return the union of the contributions of the tasks from which a task takes its data."""
        found: set[Seen] = set()
        for upstream_id in task.data or task.after:
            upstream = tasks[upstream_id]
            is_one = task.over == upstream_id and upstream.over is not None and index is not None
            for chosen in [index] if is_one else upstream.indexes:
                instance = self.succeeded.get(
                    (run, upstream_id, int(chosen or 0) if is_one else chosen)
                )
                if instance is None:
                    continue
                if instance.wrote:
                    found |= {Seen("wrote", name, number) for name, number in instance.wrote}
                else:
                    found |= {seen for seen in instance.used if seen.kind != "look"}
                    found |= self._inherit(tasks, run, upstream, chosen)
        return frozenset(found)


class _Try:
    """One try of an instance of a task."""

    def __init__(
        self, model: LineageModel, key: InstanceKey, instance: Instance, inherited: Iterable[Seen]
    ) -> None:
        self.model, self.key, self.instance = model, key, instance
        self.inherited = inherited
        self.stored: dict[str, int] = {}
        #: The versions of earlier tries, and those of them that this try has repeated.
        self.earlier = {
            version for activity in model.activities[key] for version in activity.versions
        }
        self.repeated: set[Source] = set()
        self.activity: Activity | None = None

    def apply(self, op: Op) -> None:
        """Apply an operation."""
        if op.kind == "store":
            self._store(op.name, op.text)
        elif op.kind == "append":
            self.instance.wrote.add((op.name, 1))
            before = self.model.tables.get(op.name, frozenset())
            own = {source for source in self.sources() if source[0] != op.name}
            self.model.tables[op.name] = before | own
        elif op.kind == "reread":
            self.instance.used.add(Seen("read", op.name, self.stored[op.name]))
        else:
            self.instance.used.add(
                Seen("read" if op.kind == "read" else "look", op.name, op.version)
            )

    def sources(self) -> frozenset[Source]:
        """Return what the task has used until now."""
        seen = {*self.instance.used, *self.inherited}
        exact = {one.name for one in seen if one.kind != "inlet"}
        found = {
            (one.name, one.version or self.model.current[one.name])
            for one in seen
            if one.kind != "inlet" or one.name not in exact
        }
        return frozenset(found - self.instance.wrote)

    def _store(self, name: str, text: str) -> None:
        versions = self.model.files[name]
        number = self._find_kept(versions, text)
        is_new = number is None
        number = number or len(versions) + 1
        self.stored[name] = number
        if is_new:
            known = self.model.activities[self.key]
            self.activity = self.activity or (known[-1] if known else None)
            if self.activity is None or not self._update(self.activity):
                self.activity = Activity(self.sources())
                known.append(self.activity)
            self.activity.versions.add((name, number))
            versions.append(Version(text, self.key, self.activity))
        elif versions[number - 1].owner == self.key:
            self.repeated.add((name, number))
            kept = versions[number - 1].activity
            if self.activity in (None, kept) and self._update(kept):
                self.activity = kept
        self.instance.wrote.add((name, number))

    def _update(self, activity: Activity) -> bool:
        """Update an Activity, unless that would be false for a version of an earlier try."""
        sources = self.sources()
        is_free = activity.versions & self.earlier <= self.repeated
        if is_free:
            activity.sources = sources
        return is_free or activity.sources == sources

    def _find_kept(self, versions: Sequence[Version], text: str) -> int | None:
        """Return the version with this content of an earlier try, or the current one."""
        for number, version in enumerate(versions, start=1):
            if version.owner == self.key and version.text == text:
                return number
        if versions and versions[-1].text == text:
            return len(versions)
        return None


def iter_order(tasks: Mapping[str, Task]) -> Iterator[str]:
    """Yield the ids of the tasks that run: not those that a branch skips."""
    skipped: set[str] = set()
    for task in tasks.values():  # in topological order
        branches = [tasks[one] for one in task.after if tasks[one].chosen is not None]
        is_left_out = any(branch.chosen != task.task_id for branch in branches)
        if is_left_out or (task.after and all(one in skipped for one in task.after)):
            skipped.add(task.task_id)
        else:
            yield task.task_id

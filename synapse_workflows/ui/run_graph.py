"""Graph of the lineage of a DAG run.

Task instances are nodes between what they used and what they stored. A task instance that wrote an
Activity has the kind `activity`. A task that stored nothing passes its inputs on to other tasks.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from synapse_workflows.drawing.graph import Edge, Graph, Node
from synapse_workflows.drawing.url_node import create_url_node
from synapse_workflows.lineage.published_record import DataFlow, PublishedRecord
from synapse_workflows.links import get_task_path
from synapse_workflows.provenance.record import EntityRef, Record, Ref, UrlRef
from synapse_workflows.ui.run_lineage import RunLineage, TaskRun

#: Maximum number of nodes of a graph that shows each instance of the mapped tasks.
MAX_NODES: Final = 500
#: Maximum number of edges of such a graph.
MAX_EDGES: Final = 2000
#: Maximum numbers of instances of a mapped task, and of inputs and outputs of a task, in larger
#: graphs: the first number that makes the graph small enough.
_SHORT_LENGTHS: Final = (20, 5, 1)
#: Number of named Activities of a task, and of instances that are connected to all others.
_FEW: Final = 20
#: Number of inputs and outputs of a single task in focus, in larger graphs.
_FOCUS_LENGTH: Final = 150

#: Task ID and map index; -1 for a task that is not mapped.
TaskKey = tuple[str, int]


def build_run_graph(run: RunLineage, airflow_url: str, focus: Iterable[TaskKey] = ()) -> Graph:
    """Build the graph of a run, or of the tasks in focus.

    Args:
        run: The run and its lineage.
        airflow_url: URL of the root of Airflow's web server, for the links to tasks.
        focus: Keys of the task instances to which the graph is limited: what they used, directly
            and through other tasks of the run, and what was made from their results. All if empty.
    """
    focus = set(focus)
    graph = _RunGraph(run, airflow_url, focus).build()
    for length in _SHORT_LENGTHS:
        if len(graph.nodes) > MAX_NODES or len(graph.edges) > MAX_EDGES:
            graph = _RunGraph(run, airflow_url, focus, length).build()
    return graph


class _RunGraph:
    """Nodes and edges of a run.

    Args:
        run: The run and its lineage.
        airflow_url: URL of the root of Airflow's web server.
        focus: Keys of the task instances in focus.
        length: Maximum number of instances of a task, and of inputs and outputs of a task
            instance; None for all. Task instances in focus are always shown.
    """

    def __init__(
        self, run: RunLineage, airflow_url: str, focus: set[TaskKey], length: int | None = None
    ) -> None:
        self.run = run
        self.airflow_url = airflow_url
        self.focus = focus
        self.length = length
        self.tasks = {(task.task_id, task.map_index): task for task in run.tasks}
        self.instances: dict[str, list[TaskRun]] = defaultdict(list)
        for task in run.tasks:
            self.instances[task.task_id].append(task)
        self.published = {
            key: task.published for key, task in self.tasks.items() if task.published is not None
        }
        self.portals = _merge(one.portals for one in self.published.values())
        self.names: dict[tuple[str, str | None], str] = {}
        self.activities: dict[EntityRef, str] = {}
        for one in self.published.values():
            record = one.record | one.upstream
            refs = [*(entry.ref for entry in record.entries()), *record.wrote]
            names = _find_values(one.names, refs)
            self.names |= {self._get_key(ref): name for ref, name in names.items()}
            self.activities |= _find_values(one.activities, one.record.stored_entities)
        self.task_urls = self._map_tasks()
        self.shown = self._select_tasks()
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.notes: list[str] = []
        self.flows: set[DataFlow] = set()
        #: What the instances of a task contribute to the tasks downstream of it.
        self.passed: dict[tuple[str, int | None], set[Ref]] = {}

    def build(self) -> Graph:
        """Build the graph."""
        for key in self.shown:
            self._add_task(self.tasks[key])
        for key, published in self.published.items():
            if key in self.shown:
                self._add_flows(key, published)
        known = {node.id for node in self.nodes}
        edges = [edge for edge in self.edges if {edge.source, edge.target} <= known]
        notes = [*self._list_unreadable(), *self._list_hidden(), *self.notes]
        graph = Graph.build(self.nodes, edges, notes)
        return _select_connected(graph) if self.focus else graph

    def _select_tasks(self) -> dict[TaskKey, None]:
        """Select the task instances to show: with lineage, passing on data, or in focus."""
        flows = [flow for one in self.published.values() for flow in one.flows]
        through = {flow.source_id for flow in flows} | {flow.target_id for flow in flows}
        selected: dict[TaskKey, None] = {}
        for task_id, instances in self.instances.items():
            keys = [(task_id, task.map_index) for task in instances]
            known = [
                key
                for key in keys
                if key in self.published or (task_id in through and self._has_succeeded(key))
            ]
            for key in [*known[: self.length], *(one for one in keys if one in self.focus)]:
                selected[key] = None
        return selected

    def _map_tasks(self) -> dict[Ref, str]:
        """Return the URL of the task that stored each object; otherwise of the first reader."""
        urls: dict[Ref, str] = {}
        for key, published in self.published.items():
            url = self._get_task_url(self.tasks[key])
            for entry in published.record.entries():
                urls.setdefault(entry.ref, url)
        for key, published in self.published.items():
            urls |= dict.fromkeys(published.record.wrote, self._get_task_url(self.tasks[key]))
        return urls

    def _has_succeeded(self, key: TaskKey) -> bool:
        return self.tasks[key].state == "success"

    def _add_task(self, task: TaskRun) -> None:
        """Add a task instance with what it used, ran and stored itself."""
        published = task.published or PublishedRecord(Record())
        record, node_id = published.record, _get_task_id(task)
        for ref in self._shorten(record.inputs(), task, "input"):
            self._add_input(ref, node_id)
        for ref in record.executed():
            self._add_code(ref, node_id)
        self.nodes.append(self._create_task_node(task, published))
        for ref in self._shorten(record.wrote, task, "output"):
            self.nodes.append(self._create_node(ref))
            is_kept = isinstance(ref, EntityRef) and ref.id in published.reused
            label = "kept an earlier version" if is_kept else ""
            self.edges.append(Edge(node_id, self.nodes[-1].id, "generated", label))

    def _create_task_node(self, task: TaskRun, published: PublishedRecord) -> Node:
        ids = list(dict.fromkeys(published.activities.values()))
        gaps = (published.record | published.upstream).list_gaps()
        if not task.is_readable:
            gaps = (*gaps, "The lineage of this task cannot be read from the database")
        state = task.state or "no state"
        facts = {
            "State": state,
            "Operator": task.operator or "",
            "Map index": str(task.map_index) if task.map_index >= 0 else "",
            "Activity": ", ".join(ids[:_FEW]),
        }
        activity = ids[0] if len(ids) == 1 else f"{len(ids)} Activities"
        details = [activity] if ids else []
        url = self._get_task_url(task)
        return Node(
            id=_get_task_id(task),
            kind="activity" if ids else "task",
            label=task.label,
            detail=", ".join([*details, *([] if ids and state == "success" else [state])]),
            url=url,
            task_url=url,
            gaps=gaps,
            attributes={name: text for name, text in facts.items() if text},
            is_focus=(task.task_id, task.map_index) in self.focus,
        )

    def _get_task_url(self, task: TaskRun) -> str:
        path = get_task_path(self.run.dag_id, self.run.run_id, task.task_id, task.map_index)
        return f"{self.airflow_url.rstrip('/')}/{path}"

    def _shorten(self, refs: tuple[Ref, ...], task: TaskRun, noun: str) -> Iterator[Ref]:
        """Yield the first references, and add a node that stands for the others."""
        is_only_focus = self.focus == {(task.task_id, task.map_index)}
        length = _FOCUS_LENGTH if self.length is not None and is_only_focus else self.length
        yield from refs[:length]
        hidden = len(refs) - length if length is not None else 0
        if hidden > 0:
            node_id = _get_task_id(task)
            more = f"{node_id} more {noun}s"
            self.nodes.append(
                Node(more, "entity", f"{hidden} more {noun}s", "not shown in this drawing")
            )
            is_output = noun == "output"
            edge = Edge(node_id, more, "generated") if is_output else Edge(more, node_id, "used")
            self.edges.append(edge)

    def _add_input(self, ref: Ref, node_id: str) -> None:
        node = self._create_input_node(ref)
        self.nodes.append(node)
        self.edges.append(Edge(node.id, node_id, "gap" if node.gaps else "used"))

    def _add_code(self, ref: Ref, node_id: str) -> None:
        node = replace(self._create_node(ref), kind="code")
        self.nodes.append(node)
        self.edges.append(Edge(node.id, node_id, "executed"))

    def _create_input_node(self, ref: Ref) -> Node:
        node, gaps = self._create_node(ref), []
        if isinstance(ref, EntityRef) and ref.version is None:
            gaps.append("The version that was read is not known")
        if isinstance(ref, EntityRef) and ref.is_open:
            gaps.append("An open version of a table or view: its content may have changed")
        return replace(node, gaps=(*node.gaps, *gaps))

    def _create_node(self, ref: Ref) -> Node:
        if isinstance(ref, UrlRef):
            url, task_url = ref.url, self.task_urls.get(ref)
            return create_url_node(url, url, ref.name, is_code=False, task_url=task_url)
        portal = self._find_portal(ref.site)
        host = urlsplit(ref.site or "").netloc if len(self.portals) > 1 else ""
        facts = {"Activity": self.activities.get(ref, ""), "Synapse": host}
        return Node(
            id=f"{ref} {host}".rstrip(),
            kind="entity",
            label=self.names.get(self._get_key(ref), ref.id),
            detail=f"{ref} ({host})" if host else str(ref),
            url=f"{portal.rstrip('/')}/Synapse:{ref}" if portal else None,
            task_url=self.task_urls.get(ref),
            version=ref.version,
            attributes={name: text for name, text in facts.items() if text},
        )

    def _get_key(self, ref: EntityRef) -> tuple[str, str | None]:
        """Return the ID of an entity, with its Synapse if the run has used several."""
        return ref.id, ref.site if len(self.portals) > 1 else None

    def _find_portal(self, site: str | None) -> str | None:
        """Return the portal of a Synapse; if none is known, the only portal."""
        if site is None and len(self.portals) == 1:
            return next(iter(self.portals.values()))
        return self.portals.get(site or "")

    def _add_flows(self, key: TaskKey, published: PublishedRecord) -> None:
        """Connect the tasks over which a task inherited its inputs."""
        for flow in published.flows:
            if flow not in self.flows:
                self.flows.add(flow)
                self._add_flow(flow)
        passed = {ref for flow in published.flows for ref in self._list_passed(flow)}
        task = self.tasks[key]
        inherited = set(published.upstream.inputs()) - passed
        inputs = (published.record | published.upstream).inputs()
        direct = tuple(ref for ref in inputs if ref in inherited)
        for ref in self._shorten(direct, task, "inherited input"):
            self._add_input(ref, _get_task_id(task))

    def _add_flow(self, flow: DataFlow) -> None:
        """Connect the instances of two tasks; if there are too many, only the first ones."""
        sources = self._find_instances(flow.source_id, flow.source_index)
        targets = self._find_instances(flow.target_id, flow.target_index)
        if len(sources) * len(targets) > MAX_EDGES:
            sources, targets = (self._choose_some(keys) for keys in (sources, targets))
            self.notes.append(
                f"Each instance of {flow.target_id} takes data from each instance of "
                f"{flow.source_id}: not all of these connections are shown"
            )
        for source in sources:
            for target in targets:
                self._connect(source, target)

    def _choose_some(self, keys: list[TaskKey]) -> list[TaskKey]:
        """Return the first instances, and those in focus."""
        return [*keys[:_FEW], *(key for key in keys[_FEW:] if key in self.focus)]

    def _list_passed(self, flow: DataFlow) -> set[Ref]:
        """Return what the source of a flow contributes to the tasks downstream of it."""
        source = (flow.source_id, flow.source_index)
        if source not in self.passed:
            instances = self._find_instances(*source)
            records = [self.published[key].record for key in instances if key in self.published]
            self.passed[source] = {
                entry.ref for record in records for entry in record.contribution().used
            }
        return self.passed[source]

    def _find_instances(self, task_id: str, index: int | None) -> list[TaskKey]:
        """Return the shown instances; all that succeeded if the index is None."""
        if index is not None:
            return [(task_id, index)] if (task_id, index) in self.shown else []
        keys = [(task_id, task.map_index) for task in self.instances.get(task_id, ())]
        return [key for key in keys if key in self.shown]

    def _connect(self, source: TaskKey, target: TaskKey) -> None:
        """Add the edges from a task, or from what it stored, to a task that takes data from it."""
        source_id, target_id = (_get_task_id(self.tasks[key]) for key in (source, target))
        published = self.published.get(source)
        stored = published.record.stored_entities if published else ()
        if not stored:
            self.edges.append(Edge(source_id, target_id, "used", "passes its inputs on"))
        for ref in stored[: self.length]:
            self.edges.append(Edge(self._create_node(ref).id, target_id, "used"))

    def _list_unreadable(self) -> list[str]:
        tasks = [task.label for task in self.run.tasks if not task.is_readable]
        return [f"The lineage of {label} cannot be read from the database" for label in tasks]

    def _list_hidden(self) -> list[str]:
        """Return a note for each mapped task with instances that are not shown."""
        notes = []
        for task_id, instances in self.instances.items():
            keys = [(task_id, task.map_index) for task in instances]
            known = sum(1 for key in keys if key in self.published)
            shown = sum(1 for key in keys if key in self.shown)
            if self.length is not None and known > shown:
                notes.append(
                    f"{shown} of {known} instances of {task_id} are shown: open the page of an "
                    "instance to see its lineage"
                )
        return notes


def _select_connected(graph: Graph) -> Graph:
    """Return what the nodes in focus were made from, and what was made from them."""
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        before[edge.target].append(edge.source)
        after[edge.source].append(edge.target)
    focus = [node.id for node in graph.nodes if node.is_focus]
    downstream = _reach(focus, after)
    code = {node.id for node in graph.nodes if node.kind == "code"}
    kept = _reach(focus, before) | downstream
    kept |= {one for target in downstream for one in before[target] if one in code}
    nodes = tuple(node for node in graph.nodes if node.id in kept)
    edges = tuple(edge for edge in graph.edges if {edge.source, edge.target} <= kept)
    return Graph(nodes, edges, graph.notes)


def _reach(start: Iterable[str], neighbours: Mapping[str, list[str]]) -> set[str]:
    reached, waiting = set(start), list(start)
    while waiting:
        for one in neighbours[waiting.pop()]:
            if one not in reached:
                reached.add(one)
                waiting.append(one)
    return reached


def _get_task_id(task: TaskRun) -> str:
    """Return the ID of the node of a task instance."""
    return f"task:{task.task_id}" + ("" if task.map_index < 0 else f"[{task.map_index}]")


def _merge(mappings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {key: value for one in mappings for key, value in one.items()}


def _find_values(values: Mapping[str, str], refs: Iterable[Ref]) -> dict[EntityRef, str]:
    """Return the value of each entity from values by ID.

    An ID that a task has used in more than one Synapse is ambiguous: it has no value.
    """
    entities = [ref for ref in refs if isinstance(ref, EntityRef)]
    sites: dict[str, set[str | None]] = defaultdict(set)
    for ref in entities:
        sites[ref.id] |= {ref.site} - {None}
    return {
        ref: values[ref.id] for ref in entities if ref.id in values and len(sites[ref.id]) <= 1
    }

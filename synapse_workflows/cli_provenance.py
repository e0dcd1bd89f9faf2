"""Command line of provenance: tree, check, diff, repair, export."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from synapse_workflows.cli_errors import fail

if TYPE_CHECKING:
    from synapse_workflows.client.synapse import Synapse
    from synapse_workflows.provenance.provenance_reader import Progress

#: Control characters of terminals, except the line feed; and characters that change the direction.
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
#: Exit status of an error in commands whose status 1 has another meaning.
_ERROR = 2


class _TreeByDefault(TyperGroup):
    """Group that runs `tree` if the arguments are those of `tree` without its name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the name of the command if it is missing."""
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            is_option = args[0].startswith("-")
            if is_option or len(args) == 1 or re.match(r"(syn)?\d", args[0], re.IGNORECASE):
                args = ["tree", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_TreeByDefault,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Show, check, compare, repair and export the provenance of entities. `provenance syn123` "
    "is short for `provenance tree syn123`. The token is looked up as in `Synapse.login`; "
    "endpoints are read from ~/.synapseConfig.",
)

Entity = Annotated[
    str, typer.Argument(help="Synapse ID: syn123, or syn123.4 for a version.", metavar="ENTITY")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command()
def tree(
    entity: Entity,
    *,
    depth: Annotated[
        int, typer.Option(min=1, help="Maximum number of Activities in a chain.")
    ] = 8,
    downstream: Annotated[
        bool, typer.Option("--downstream", help="Show also what was made from the version.")
    ] = False,
    within: Annotated[
        str | None,
        typer.Option(
            metavar="CONTAINER",
            help="Project or folder to search for what was made from the version. Default: the "
            "project of the entity.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the sources of an entity version, their sources and so on.

    Synapse has no request for what was made from a version. `--downstream` reads the Activities
    of all versions in a project, one request for each.
    """
    from synapse_workflows.provenance.tree import format_results, format_sources
    from synapse_workflows.provenance.walk import walk_provenance

    if within is not None and not downstream:
        raise typer.BadParameter("Only --downstream searches a container.", param_hint="--within")
    with _errors(), _login(entity) as syn, _show_progress("tree") as progress:
        graph = walk_provenance(
            syn,
            entity,
            direction="both" if downstream else "upstream",
            depth=depth,
            within=within,
            progress=progress,
        )
    if as_json:
        _print_json(graph.to_json())
        return
    parts = [format_sources(graph)]
    if downstream:
        parts.append(f"Made from it:\n\n{format_results(graph)}")
    _echo("\n\n".join([*parts, *(f"Note: {note}" for note in graph.notes)]))


@app.command()
def check(
    container: Annotated[
        str,
        typer.Argument(
            help="Synapse ID of a project, folder, file or table.", metavar="CONTAINER"
        ),
    ],
    *,
    all_versions: Annotated[
        bool, typer.Option("--all-versions", help="Check older versions, too.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 1 if there is a problem.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the lineage coverage of a project.

    Problems are versions without an Activity, sources without a fixed version, URLs that follow a
    branch or tag, sources that are gone, and gaps that an Activity states.

    Exit status: 0; 1 if there is a problem, with `--strict`; 2 for an error.
    """
    from synapse_workflows.provenance.coverage import check_coverage, format_report

    with _errors(_ERROR), _login(container) as syn, _show_progress("check") as progress:
        report = check_coverage(syn, container, all_versions=all_versions, progress=progress)
    if as_json:
        _print_json(report.to_json())
    else:
        _echo(format_report(report))
    if strict and report.problems:
        raise typer.Exit(1)


@app.command()
def diff(
    first: Annotated[
        str, typer.Argument(help="Synapse ID: syn123.4, or syn123.", metavar="FIRST")
    ],
    second: Annotated[
        str, typer.Argument(help="Another version, or another entity.", metavar="SECOND")
    ],
    *,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with status 1 if there are differences.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what differs in the content and in the making of two versions.

    Lines start with + (added), - (removed) or ~ (changed). Compared are the MD5, the inputs and
    the code with their versions, and the parameters and gaps in the description.

    Exit status: 0; 1 if there are differences, with `--exit-code`; 2 for an error.
    """
    from synapse_workflows.provenance.comparison import compare_provenance, format_comparison

    with _errors(_ERROR), _login(first, second) as syn:
        comparison = compare_provenance(syn, first, second)
    if as_json:
        _print_json(comparison.to_json())
    else:
        _echo(format_comparison(comparison))
    if exit_code and comparison.has_differences:
        raise typer.Exit(1)


@app.command()
def repair(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="JSON file with the value of the XCom `synapse_pending_activities` of a task. "
            "Default: the XComs of all tasks in Airflow."
        ),
    ] = None,
    *,
    airflow_url: Annotated[
        str | None,
        typer.Option(
            envvar="AIRFLOW__API__BASE_URL",
            help="Base URL of Airflow. The variable AIRFLOW_API_TOKEN has a token of its REST "
            "API; without it, one is requested without credentials.",
        ),
    ] = None,
    dag_id: Annotated[str | None, typer.Option(help="Only tasks of this DAG.")] = None,
    run_id: Annotated[str | None, typer.Option(help="Only tasks of this run.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add Activities that Synapse rejected when tasks stored entities.

    A task whose Activity is rejected stores the entity without it, and keeps the Activity in an
    XCom. A version that has an Activity meanwhile is left as it is, so a repeated repair changes
    nothing. The Activity of an open table gets the missing sources. Synapse can add an Activity to
    the current version of an entity only.

    Exit status: 0; 1 if an Activity is still rejected, or for an error.
    """
    import os
    from dataclasses import asdict

    from synapse_workflows.client.core.redaction import redact_url
    from synapse_workflows.provenance.pending_xcoms import read_pending_file, read_pending_xcoms
    from synapse_workflows.provenance.repair import repair_activities

    token = os.environ.get("AIRFLOW_API_TOKEN")
    if file is not None and (dag_id is not None or run_id is not None):
        raise typer.BadParameter(
            "A file has the Activities of one task: remove --dag-id and --run-id, or the file."
        )
    with _errors():
        if file is not None:
            pending = read_pending_file(file)
        elif airflow_url:
            pending = read_pending_xcoms(airflow_url, token, dag_id=dag_id, run_id=run_id)
        else:
            raise typer.BadParameter("Expected a file, or --airflow-url.")
    with _errors(), _login() as syn:
        endpoint = syn.repoEndpoint.rstrip("/")
        own = [one for one in pending if one.site.rstrip("/") == endpoint]
        results = repair_activities(syn, own)
    if as_json:
        _print_json([asdict(result) for result in results])
    else:
        for result in results:
            entity = f"{result.entity_id}.{result.version}"
            _echo(f"{entity}  {result.state}: {result.message}")
        if not pending:
            typer.echo("Nothing to repair: no task has Activities that Synapse rejected.")
    for site in sorted({one.site for one in pending if one not in own}):
        typer.echo(f"Skipped: the Activities of another Synapse, {redact_url(site)}.", err=True)
    if any(result.state == "failed" for result in results):
        raise typer.Exit(1)


@app.command()
def export(
    entity: Entity,
    *,
    format: Annotated[  # noqa: A002 - the name of the option
        str | None,
        typer.Option(
            help="prov-json, prov-n, ro-crate, mermaid, svg or html. Default: the format of the "
            "suffix of the output."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write, or directory of an RO-Crate. Default without --parent: a file in "
            "the working directory.",
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(help="Project or folder in which to store the export as a File."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of this File.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of Activities in a chain. Default: all."),
    ] = None,
    include_files: Annotated[
        bool, typer.Option("--include-files", help="Include the files in an RO-Crate.")
    ] = False,
    max_total_size: Annotated[
        int, typer.Option(min=0, help="Maximum size of these files in bytes.")
    ] = 1_000_000_000,
    license: Annotated[  # noqa: A002 - the name of the option
        str | None, typer.Option(help="License of an RO-Crate: a URL, or a text.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export the provenance of an entity version to a file, or to a File in Synapse."""
    from dataclasses import asdict

    from synapse_workflows.client.model.ids import parse_entity_id
    from synapse_workflows.provenance.export import export_provenance
    from synapse_workflows.provenance.export_format import create_file_name, parse_export_format

    with _errors():
        known = parse_export_format(format, output)
    with _errors(), _login(entity) as syn:
        if output is None and parent is None:
            entity_id, version = parse_entity_id(entity)
            exported = entity_id if version is None else f"{entity_id}.{version}"
            output = Path(create_file_name(exported, known))
        result = export_provenance(
            syn,
            entity,
            known,
            output,
            parent=parent,
            name=name,
            overwrite=overwrite,
            depth=depth,
            include_files=include_files,
            max_total_size=max_total_size,
            license=license,
        )
    if as_json:
        _print_json(asdict(result))
        return
    if result.path is not None:
        typer.echo(result.path)
    if result.file_id is not None:
        typer.echo(f"{result.file_id}.{result.file_version}")


@contextmanager
def _login(*entities: str) -> "Iterator[Synapse]":
    """Check IDs, and then return a client that is logged in."""
    from synapse_workflows.client.model.ids import parse_entity_id
    from synapse_workflows.client.synapse import Synapse

    for entity in entities:
        parse_entity_id(entity)
    with Synapse(silent=True) as syn:
        syn.login(silent=True)
        yield syn


@contextmanager
def _errors(status: int = 1) -> Iterator[None]:
    """Print an expected error of the block without a traceback, and exit with a status."""
    from synapse_workflows.client.errors import SynapseError

    try:
        yield
    except (SynapseError, ValueError, OSError, ImportError) as error:
        fail(error, status)


@contextmanager
def _show_progress(label: str) -> "Iterator[Progress | None]":
    """Show the number of requests on a terminal, after one second."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc=label, unit=" requests", delay=1, leave=False, file=sys.stderr) as bar:

        def update(completed: int, known: int) -> None:
            bar.total = known
            bar.update(completed - bar.n)

        yield update


def _echo(text: str) -> None:
    """Print a text in which other users wrote names and descriptions, without control characters.

    A terminal would execute them, for example change its title or hide text.
    """
    typer.echo(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))

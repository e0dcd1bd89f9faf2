"""The command line: demo, airflow, serve, seed, provenance."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

app = typer.Typer(
    help="An Airflow provider for Synapse, and a local Synapse to run it against.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Data = Annotated[Path, typer.Option(help="Directory that holds all the service keeps.")]


@app.command()
def serve(
    *,
    data: Data = Path(".synapse"),
    port: Annotated[int, typer.Option(help="0 picks a free one.")] = 8610,
    host: Annotated[str, typer.Option(help="Interface to listen on.")] = "127.0.0.1",
    url: Annotated[
        str | None, typer.Option(help="How clients reach it, when not by host and port.")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="What to fill it with: demo.")] = None,
    users: Annotated[
        Path | None, typer.Option(help="JSON list of users: userName, token?, certified?, ...")
    ] = None,
) -> None:
    """Run the local Synapse until Ctrl-C."""
    import logging

    from synapse_workflows.local import server
    from synapse_workflows.local.data_dir_lock import DataDirInUseError
    from synapse_workflows.local.errors import ServiceError
    from synapse_workflows.local.seed import SEEDS, SeedError
    from synapse_workflows.local.settings import Settings
    from synapse_workflows.local.user_file import UserFileError, keep, users_of

    if seed is not None and seed not in SEEDS:
        raise typer.BadParameter(f"there is: {', '.join(SEEDS)}", param_hint="--seed")
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("synapse_workflows.local").setLevel(logging.INFO)

    def announce(told: dict[str, Any]) -> None:
        if users is not None:
            keep(data, users)
        typer.echo(manual(told, data))

    refusals = (DataDirInUseError, server.AddressError, UserFileError, ServiceError, SeedError)
    try:
        server.serve(
            Settings(data_dir=data.resolve(), users=users_of(data, users)),
            host=host,
            port=port,
            base_url=url,
            seed_name=seed,
            announce=announce,
        )
    except (*refusals, OSError) as error:
        _fail(error)


@app.command()
def seed(
    name: Annotated[str, typer.Argument(help="What to fill it with.")] = "demo",
    *,
    data: Data = Path(".synapse"),
) -> None:
    """Fill a local Synapse, running or not, and print the ids of what is there then."""
    import json

    from synapse_workflows.local.data_dir_lock import DataDirInUseError
    from synapse_workflows.local.seed import SeedError, plant_into

    try:
        ids = plant_into(data.resolve(), name)
    except (ValueError, SeedError, DataDirInUseError, OSError) as error:
        _fail(error)
    typer.echo(json.dumps(ids, indent=2))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where everything lies that it makes.")] = Path(
        ".demo"
    ),
) -> None:
    """Run the examples under real Airflow against a local Synapse, and show what came of them."""
    from synapse_workflows.demo.processes import ProcessError
    from synapse_workflows.demo.runner import run_demo

    try:
        run_demo(folder)
    except ProcessError as error:
        _fail(error)


@app.command()
def airflow(
    folder: Annotated[Path, typer.Option(help="Where everything lies that it makes.")] = Path(
        ".airflow"
    ),
) -> None:
    """Run `airflow standalone` beside a local Synapse, with the examples, until Ctrl-C."""
    from synapse_workflows.demo.processes import ProcessError
    from synapse_workflows.demo.runner import run_airflow

    try:
        run_airflow(folder)
    except ProcessError as error:
        _fail(error)


@app.command()
def provenance(
    entity: Annotated[str, typer.Argument(help="As syn123, or syn123.4 for a version.")],
    depth: Annotated[int, typer.Option(min=1, help="How many activities deep.")] = 8,
) -> None:
    """Draw where an entity came from; token and endpoints as in ~/.synapseConfig."""
    from synapse_workflows.client.errors import SynapseError
    from synapse_workflows.client.synapse import Synapse
    from synapse_workflows.provenance.tree import render_tree

    try:
        syn = Synapse(silent=True)
        syn.login(silent=True)
        typer.echo(render_tree(syn, entity, depth=depth))
    except (SynapseError, ValueError) as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"Error: {error}", err=True)
    raise typer.Exit(1) from None


_MANUAL: Final = """\
The local Synapse answers at {base}. What it keeps lies in {data}; Ctrl-C ends it.

Users and their tokens (they are good for this service only):
{people}

From Python:

    from synapse_workflows import Synapse
    syn = Synapse(
        repoEndpoint="{repoEndpoint}",
        authEndpoint="{authEndpoint}",
        fileHandleEndpoint="{fileHandleEndpoint}",
        portalEndpoint="{portalEndpoint}",
    )
    syn.login(authToken="{token}")

From Airflow:

    export AIRFLOW_CONN_SYNAPSE_DEFAULT='{airflow_connection}'

From the official client, in ~/.synapseConfig:

    [endpoints]
    repoEndpoint = {repoEndpoint}
    authEndpoint = {authEndpoint}
    fileHandleEndpoint = {fileHandleEndpoint}
    portalEndpoint = {portalEndpoint}

    [default]
    username = {user}
    authtoken = {token}
{planted}
All of this stands in {data}/service.json.
"""


def manual(told: dict[str, Any], data: Path) -> str:
    """Say how to use a running service.

    Args:
        told: the content of service.json.
        data: the service's directory.
    """
    import json

    token = json.loads(told["airflow_connection"])["password"]
    user = next(user["userName"] for user in told["users"] if user["token"] == token)
    people = "\n".join(
        f"    {each['userName']:<10} {each['ownerId']:<8} "
        f"{'certified' if each['certified'] else 'not certified':<13} {each['token']}"
        for each in told["users"]
    )
    found = "\n".join(f"    {key:<11} {value}" for key, value in told.get("seed", {}).items())
    return _MANUAL.format(
        **{key: value for key, value in told.items() if isinstance(value, str)},
        base=told["repoEndpoint"].removesuffix("/repo/v1"),
        data=data,
        people=people,
        user=user,
        token=token,
        planted=f"\nSeeded:\n\n{found}\n" if found else "",
    )

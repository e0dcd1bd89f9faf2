"""Command line: demo, airflow, serve, seed, inbox, provenance, staging."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from synapse_workflows import __version__, cli_provenance, cli_staging
from synapse_workflows.cli_errors import fail

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
)
app.add_typer(
    cli_provenance.app,
    name="provenance",
    short_help="Show, check, compare, repair and export the provenance of entities.",
)
app.add_typer(cli_staging.app, name="staging", short_help="Remove staged files.")


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"synapse-workflows {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Apache Airflow provider for Synapse, with a local Synapse for development and tests."""


DataDir = Annotated[
    Path, typer.Option(help="Directory in which the local Synapse stores its data.")
]


@app.command()
def serve(
    *,
    data: DataDir = Path(".synapse"),
    port: Annotated[int, typer.Option(help="TCP port; 0 selects a free one.")] = 8610,
    host: Annotated[
        str, typer.Option(help="Address of the interface to listen on.")
    ] = "127.0.0.1",
    url: Annotated[
        str | None, typer.Option(help="Base URL for clients, if it is not http://HOST:PORT.")
    ] = None,
    seed: Annotated[
        list[str] | None,
        typer.Option(
            help="Data set to create: demo, challenge or sts. May be given several times."
        ),
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option(
            help="JSON file with a list of users. Keys: userName; "
            "optional: token, certified, admin, firstName, lastName, email, ownerId, password, "
            "apiKey, orcid, acceptsTermsOfUse."
        ),
    ] = None,
    query_seconds: Annotated[
        float, typer.Option(min=0.1, help="Maximum duration of a table query in seconds.")
    ] = 30,
    throttle: Annotated[
        bool,
        typer.Option(
            "--throttle",
            help="Limit each user like Synapse: 3 requests at a time, 600 in 60 seconds.",
        ),
    ] = False,
    s3: Annotated[
        str,
        typer.Option(
            metavar="auto|off|URL",
            help="S3 server for storage locations and temporary credentials: start one if it is "
            "installed, none, or a running one. Variables for URL: AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY; optional: AWS_SESSION_TOKEN, AWS_REGION, "
            "AWS_ENDPOINT_URL_STS, SYNAPSE_S3_ROLE_ARN.",
        ),
    ] = "auto",
    sts_seconds: Annotated[
        int,
        typer.Option(
            min=1,
            max=43_200,
            help="Validity of temporary credentials in seconds. With URL at least 900.",
        ),
    ] = 43_200,
) -> None:
    """Run the local Synapse until Ctrl-C."""
    import gc
    import logging

    gc.disable()  # until the service has started; `server.serve` enables it

    from synapse_workflows.local import server
    from synapse_workflows.local.errors import ServiceError
    from synapse_workflows.local.s3.configuration import AUTO, OFF
    from synapse_workflows.local.s3.credentials import MIN_SECONDS
    from synapse_workflows.local.s3.endpoint import S3ConfigurationError
    from synapse_workflows.local.seed import SEEDS, add_seed_users
    from synapse_workflows.local.seeder import SeedError
    from synapse_workflows.local.settings import Settings, Throttle
    from synapse_workflows.local.storage.data_dir import DataDirError
    from synapse_workflows.local.user_file import UserFileError, load_users, save_user_file

    for name in seed or ():
        if name not in SEEDS:
            known = ", ".join(SEEDS)
            raise typer.BadParameter(
                f"Unknown data set {name!r}: expected one of {known}.", param_hint="--seed"
            )
    if s3 not in {AUTO, OFF} and sts_seconds < MIN_SECONDS:
        raise typer.BadParameter(
            f"An external S3 server issues credentials for at least {MIN_SECONDS} seconds.",
            param_hint="--sts-seconds",
        )
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    log = logging.getLogger("synapse_workflows.local")
    log.setLevel(logging.WARNING)  # the requests that create data sets are not logged
    if seed:
        typer.echo(f"Creating the data sets: {', '.join(seed)} ...", err=True)

    def print_usage(service_info: dict[str, Any]) -> None:
        log.setLevel(logging.INFO)
        if users is not None:
            save_user_file(data, users)
        typer.echo(format_usage(service_info, data))

    failures = (
        DataDirError,
        S3ConfigurationError,
        SeedError,
        ServiceError,
        UserFileError,
        server.AddressError,
    )
    try:
        server.serve(
            Settings(
                data_dir=data.resolve(),
                users=add_seed_users(load_users(data, users), seed or ()),
                query_seconds=query_seconds,
                throttle=Throttle() if throttle else None,
                sts_seconds=sts_seconds,
            ),
            host=host,
            port=port,
            base_url=url,
            s3=s3,
            seed_names=seed or (),
            announce=print_usage,
        )
    except (*failures, OSError) as error:
        fail(error)


@app.command()
def seed(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Data sets to create: demo, challenge or sts.",
            show_default="demo",
            metavar="NAMES",
        ),
    ] = None,
    *,
    data: DataDir = Path(".synapse"),
) -> None:
    """Create data sets in a local Synapse, running or not, and print their IDs as JSON."""
    import json

    from synapse_workflows.local.seed import seed_data_dir
    from synapse_workflows.local.seeder import SeedError
    from synapse_workflows.local.storage.data_dir import DataDirError

    try:
        ids = seed_data_dir(data.resolve(), *(names or ("demo",)))
    except (ValueError, SeedError, DataDirError, OSError) as error:
        fail(error)
    typer.echo(json.dumps(ids, indent=2))


@app.command()
def inbox(
    user: Annotated[str, typer.Argument(help="User name or principal ID.", metavar="USER")],
    *,
    data: DataDir = Path(".synapse"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, for scripts.")
    ] = False,
) -> None:
    """Print the messages of a user of a local Synapse, running or not, newest first."""
    import json
    from dataclasses import asdict

    from synapse_workflows.local.inbox import InboxError, format_inbox, read_inbox
    from synapse_workflows.local.storage.data_dir import DataDirError

    try:
        messages = read_inbox(data.resolve(), user)
    except (InboxError, DataDirError, OSError) as error:
        fail(error)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in messages], indent=2, ensure_ascii=False))
    else:
        typer.echo(format_inbox(messages))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Working directory.")] = Path(".demo"),
    dag: Annotated[
        str | None,
        typer.Option(
            help="Example to run: summarise, rank, snapshots, sts, challenge or lineage. "
            "Default: the first three."
        ),
    ] = None,
) -> None:
    """Run the example DAGs under Airflow against a local Synapse, and show the results."""
    from synapse_workflows.demo.lineage_story import run_lineage
    from synapse_workflows.demo.processes import ProcessError
    from synapse_workflows.demo.runner import EXAMPLES, run_demo

    try:
        if dag is None:
            run_demo(folder)
        elif dag == "challenge":
            # imports Airflow, which takes two seconds
            from synapse_workflows.demo.challenge_round import run_challenge

            run_challenge(folder / "challenge")
        elif dag == "lineage":
            run_lineage(folder)
        elif dag in EXAMPLES:
            run_demo(folder, [dag])
        else:
            raise typer.BadParameter(
                f"Unknown DAG {dag!r}: expected one of "
                f"{', '.join([*EXAMPLES, 'challenge', 'lineage'])}.",
                param_hint="--dag",
            )
    except ProcessError as error:
        fail(error)


@app.command()
def airflow(
    *,
    folder: Annotated[
        Path,
        typer.Option(help="Working directory; the local Synapse is in its directory synapse."),
    ] = Path(".airflow"),
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="TCP port of the web interface. Default: AIRFLOW__API__PORT, 8080 or a free one.",
        ),
    ] = None,
    dags: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, resolve_path=True, help="DAGs instead of the examples."
        ),
    ] = None,
) -> None:
    """Run Airflow with the example DAGs and a local Synapse, until Ctrl-C."""
    from synapse_workflows.demo.airflow_server import run_airflow
    from synapse_workflows.demo.processes import ProcessError

    try:
        run_airflow(folder, port, dags)
    except ProcessError as error:
        fail(error)


_USAGE: Final = """\
The local Synapse runs at {base}. Its data is in {data}; Ctrl-C stops it.

Users and their tokens (valid for this service only):
{users}

In a web browser, signed in as {user} (links for the other users are in service.json):

    {sign_in_url}

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
{s3}{seeded}
The same information is in {data}/service.json.
"""

_S3_USAGE: Final = """
S3 server of storage locations; for boto3 and the AWS CLI with temporary credentials:

    export AWS_ENDPOINT_URL_S3={url}
"""


def format_usage(service_info: dict[str, Any], data: Path) -> str:
    """Return instructions for using a running service.

    Args:
        service_info: The content of service.json.
        data: The data directory of the service.
    """
    import json

    token = json.loads(service_info["airflow_connection"])["password"]
    user = next(user["userName"] for user in service_info["users"] if user["token"] == token)
    users = "\n".join(
        f"    {each['userName']:<10} {each['ownerId']:<8} "
        f"{'certified' if each['certified'] else 'not certified':<13} {each['token']}"
        for each in service_info["users"]
    )
    seeded = "\n".join(
        f"    {key:<22} {value}" for key, value in service_info.get("seed", {}).items()
    )
    return _USAGE.format(
        **{key: value for key, value in service_info.items() if isinstance(value, str)},
        base=service_info["repoEndpoint"].removesuffix("/repo/v1"),
        data=data,
        users=users,
        user=user,
        token=token,
        sign_in_url=service_info["signInUrls"][user],
        s3=_S3_USAGE.format(url=service_info["s3Url"]) if "s3Url" in service_info else "",
        seeded=f"\nCreated data:\n\n{seeded}\n" if seeded else "",
    )

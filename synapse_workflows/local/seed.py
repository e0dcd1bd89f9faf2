"""Example data for a local service, created through its REST API.

Seeding is idempotent: existing entities are not changed.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from synapse_workflows.local.app import create_app
from synapse_workflows.local.challenge_seed import CHALLENGE_USERS, seed_challenge
from synapse_workflows.local.data_dir_lock import DataDirInUseError, lock_data_dir
from synapse_workflows.local.demo_seed import seed_demo
from synapse_workflows.local.domain.principal_names import normalize_name
from synapse_workflows.local.s3.configuration import AUTO, open_s3
from synapse_workflows.local.seeder import Seeder, SeedUser
from synapse_workflows.local.service_file import SERVICE_FILE, select_default_user
from synapse_workflows.local.settings import Settings, UserSeed
from synapse_workflows.local.storage.private_file import write_private_file
from synapse_workflows.local.sts_seed import seed_sts
from synapse_workflows.local.user_file import load_users

if TYPE_CHECKING:
    import requests

    from synapse_workflows.local.domain.service import Service

#: Name of a data set -> function that creates it.
_CREATORS: Final[dict[str, Callable[[Seeder], dict[str, str]]]] = {
    "demo": seed_demo,
    "challenge": seed_challenge,
    "sts": seed_sts,
}
#: Names of the data sets.
SEEDS: Final = tuple(_CREATORS)


def add_seed_users(users: tuple[UserSeed, ...], names: Iterable[str]) -> tuple[UserSeed, ...]:
    """Return users of a service, and the further users that data sets need.

    Args:
        users: Users of the settings.
        names: Names of the data sets.
    """
    known = {normalize_name(user.user_name) for user in users}
    needed = CHALLENGE_USERS if "challenge" in names else ()
    return (*users, *(user for user in needed if normalize_name(user.user_name) not in known))


def seed_app(app: Any, *names: str) -> dict[str, str]:
    """Create data sets in the service of an application.

    Args:
        app: Application of `create_app`.
        names: Names of the data sets, of `SEEDS`.

    Returns:
        Key -> ID, see `seed_demo`, `seed_challenge` and `seed_sts`.

    Raises:
        ValueError: A data set does not exist.
        SeedError: A request failed, or the service has too few users.
    """
    from synapse_workflows.local import asgi_adapter

    _check_names(names)
    service: Service = app.state.service
    base_url = service.settings.base_url
    users = [
        SeedUser(user.user_name, user.owner_id, user.token, user.certified)
        for user in service.users
    ]
    default = select_default_user(service.users).user_name
    with asgi_adapter.create_session(app, base_url) as session:
        return _seed(names, _create_seeder(session, base_url, users, default))


def seed_data_dir(data_dir: Path, *names: str) -> dict[str, str]:
    """Create data sets in the service of a data directory. The service may be running or not.

    Args:
        data_dir: Data directory.
        names: Names of the data sets, of `SEEDS`.

    Returns:
        IDs, as for `seed_app`.

    Raises:
        ValueError: A data set does not exist.
        SeedError: A request failed, or the service has too few users.
        DataDirInUseError: The service is starting and does not accept requests yet.
    """
    _check_names(names)
    try:
        with lock_data_dir(data_dir):
            return _seed_stopped_service(data_dir, names)
    except DataDirInUseError:
        if not (data_dir / SERVICE_FILE).exists():
            raise
    return _seed_running_service(data_dir, names)


def _seed_stopped_service(data_dir: Path, names: Iterable[str]) -> dict[str, str]:
    from synapse_workflows.local.asgi_adapter import BASE_URL

    users = add_seed_users(load_users(data_dir, None), names)
    with open_s3(AUTO, data_dir, is_lazy=True) as s3:
        app = create_app(Settings(data_dir=data_dir, base_url=BASE_URL, users=users, s3=s3))
        try:
            return seed_app(app, *names)
        finally:
            app.state.service.close()


def _seed_running_service(data_dir: Path, names: Iterable[str]) -> dict[str, str]:
    import requests

    service_info = json.loads((data_dir / SERVICE_FILE).read_text())
    base_url = service_info["repoEndpoint"].removesuffix("/repo/v1")
    token = json.loads(service_info["airflow_connection"])["password"]
    users = [
        SeedUser(each["userName"], int(each["ownerId"]), each["token"], each["certified"])
        for each in service_info["users"]
    ]
    default = next(user.name for user in users if user.token == token)
    with requests.Session() as session:
        ids = _seed(names, _create_seeder(session, base_url, users, default))
    service_info["seed"] = service_info.get("seed", {}) | ids
    write_private_file(data_dir / SERVICE_FILE, json.dumps(service_info, indent=2) + "\n")
    return ids


def _create_seeder(
    session: "requests.Session", base_url: str, users: list[SeedUser], default: str
) -> Seeder:
    """Return the client of the default user; the first user is the administrator."""
    user = next(user for user in users if user.name == default)
    return Seeder(session, base_url, user, tuple(users[1:]))


def _seed(names: Iterable[str], seeder: Seeder) -> dict[str, str]:
    return {key: value for name in names for key, value in _CREATORS[name](seeder).items()}


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name not in SEEDS:
            raise ValueError(f"Unknown seed {name!r}: expected one of: {', '.join(SEEDS)}.")

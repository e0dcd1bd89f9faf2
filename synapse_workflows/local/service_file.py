"""service.json: all that is needed to use a running service."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from synapse_workflows.local.domain.service import KnownUser, Service

SERVICE_FILE: Final = "service.json"
_PATHS: Final = {
    "repoEndpoint": "/repo/v1",
    "authEndpoint": "/auth/v1",
    "fileHandleEndpoint": "/file/v1",
    "portalEndpoint": "/",
}


def get_endpoints(base_url: str) -> dict[str, str]:
    """Give the four endpoints of a service, under the names that clients have for them."""
    return {name: base_url + path for name, path in _PATHS.items()}


def select_default_user(users: tuple["KnownUser", ...]) -> "KnownUser":
    """Choose who owns what is seeded and whom Airflow logs in as: alice, or one like her."""
    ordinary = [user for user in users[1:] if user.certified]
    return next((user for user in users if user.user_name == "alice"), (*ordinary, *users)[0])


def describe_service(service: "Service", planted: dict[str, str] | None = None) -> dict[str, Any]:
    """Tell all that is needed to use a running service: the content of service.json."""
    endpoints = get_endpoints(service.settings.base_url)
    connection = {
        "conn_type": "synapse",
        "host": endpoints["repoEndpoint"],
        "password": select_default_user(service.users).token,
        "extra": {
            "auth_endpoint": endpoints["authEndpoint"],
            "file_endpoint": endpoints["fileHandleEndpoint"],
            "portal_endpoint": endpoints["portalEndpoint"],
        },
    }
    users = [
        {
            "userName": user.user_name,
            "ownerId": str(user.owner_id),
            "token": user.token,
            "certified": user.certified,
        }
        for user in service.users
    ]
    told = {**endpoints, "users": users, "airflow_connection": json.dumps(connection)}
    return {**told, "pid": os.getpid(), **({"seed": planted} if planted else {})}


def write_private_file(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)

"""service.json: endpoints, users and Airflow connection of a running service."""

import json
import os
from typing import TYPE_CHECKING, Any, Final

from synapse_workflows.local.domain.portal import sessions
from synapse_workflows.local.errors import BadRequest

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
    """Return the endpoint arguments of clients, for example `repoEndpoint`."""
    return {name: base_url + path for name, path in _PATHS.items()}


def select_default_user(users: tuple["KnownUser", ...]) -> "KnownUser":
    """Return the user of the Airflow connection. The same user owns the seeded data.

    The default user is alice. Without alice, it is the first certified user after the
    administrator. Without certified users, it is the administrator.
    """
    certified = [user for user in users[1:] if user.certified]
    return next((user for user in users if user.user_name == "alice"), (*certified, *users)[0])


def describe_service(
    service: "Service", seeded_ids: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return the content of service.json.

    Args:
        service: The service.
        seeded_ids: Entity IDs of the seeded data.

    Returns:
        A dictionary with the endpoints; `users` with their tokens, and the `password` and `apiKey`
        of users who have them in the settings; `signInUrls`, a link for each user name that signs
        in to the portal; `airflow_connection`, an Airflow connection as JSON text; `pid`; if data
        was seeded, `seed` with the entity IDs; and, if the service has an S3 server, `s3Url`.
    """
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
            **({"password": user.password} if user.password else {}),
            **({"apiKey": user.api_key} if user.api_key else {}),
        }
        for user in service.users
    ]
    return {
        **endpoints,
        "signInUrls": {
            user.user_name: sessions.create_sign_in_url(service, user.owner_id)
            for user in service.users
        },
        "users": users,
        "airflow_connection": json.dumps(connection),
        "pid": os.getpid(),
        **({"seed": seeded_ids} if seeded_ids else {}),
        **_describe_s3(service),
    }


def _describe_s3(service: "Service") -> dict[str, str]:
    """Return the URL of the S3 server, once it has started; {} without a server."""
    if service.object_store is None:
        return {}
    try:
        return {"s3Url": service.object_store.endpoint.url}
    except BadRequest:  # it did not start, and the log says why
        return {}

"""Temporary AWS credentials of storage locations (STS tokens), and their cache.

Each session has its own cache. A token is only returned to the identity that requested it: the
endpoint and the credentials of the session are part of the key, and `logout` discards the cache.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, get_args

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseAuthenticationError, SynapseResponseError

#: Permissions of an STS token.
StsPermission = Literal["read_only", "read_write"]
#: Default of the minimum remaining life of a cached token.
DEFAULT_REMAINING_LIFE: Final = timedelta(hours=1)
#: Maximum number of cached tokens per permission.
MAX_TOKENS: Final = 5000
_RESOURCE: Final = "STS tokens"
#: Number of locks for requests. Requests for the same folder share a lock.
_LOCK_COUNT: Final = 16
_SECRET_KEYS: Final = ("accessKeyId", "secretAccessKey", "sessionToken")


@dataclass(frozen=True)
class StsToken:
    """Temporary AWS credentials for a bucket and a prefix.

    Args:
        body: The response of Synapse: `bucket`, `baseKey`, `accessKeyId`, `secretAccessKey`,
            `sessionToken` and `expiration`. It never appears in a repr, log or error.
        expires_at: Time at which the credentials expire.
    """

    body: Mapping[str, Any] = field(repr=False)
    expires_at: datetime

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "StsToken":
        """Parse the response of Synapse.

        Raises:
            SynapseResponseError: A property is missing or invalid. The message contains no value.
        """
        missing = [key for key in _SECRET_KEYS if not isinstance(body.get(key), str)]
        if missing:
            raise SynapseResponseError(
                f"The STS token lacks {', '.join(missing)}. Check that the endpoint is a Synapse "
                "service."
            )
        return cls(dict(body), _parse_time(body.get("expiration")))

    @property
    def boto_arguments(self) -> dict[str, str]:
        """The credentials as keyword arguments of `boto3.Session`."""
        return {
            "aws_access_key_id": self.body["accessKeyId"],
            "aws_secret_access_key": self.body["secretAccessKey"],
            "aws_session_token": self.body["sessionToken"],
        }

    @property
    def remaining_life(self) -> timedelta:
        """Time until the credentials expire; negative after that."""
        return self.expires_at - datetime.now(UTC)

    def is_valid_for(self, life: timedelta) -> bool:
        """Return whether the token is still valid for some time."""
        return self.remaining_life >= life


class StsTokenCache:
    """Thread-safe cache of STS tokens.

    Args:
        max_size: Maximum number of tokens per permission. The oldest are removed first.
    """

    def __init__(self, max_size: int = MAX_TOKENS) -> None:
        self._max_size = max_size
        self._tokens: dict[str, OrderedDict[Hashable, StsToken]] = {
            permission: OrderedDict() for permission in get_args(StsPermission)
        }
        self._lock = threading.Lock()
        self._request_locks = tuple(threading.Lock() for _ in range(_LOCK_COUNT))

    def __len__(self) -> int:
        return sum(len(tokens) for tokens in self._tokens.values())

    def get(
        self,
        permission: StsPermission,
        key: Hashable,
        life: timedelta,
        request: Callable[[], StsToken],
    ) -> StsToken:
        """Return a cached token, or request a new one and add it to the cache.

        Concurrent calls with the same key send one request.

        Args:
            permission: Permission of the token.
            key: Identifies the folder and the identity of the session.
            life: Minimum remaining life of a cached token.
            request: Requests a new token.
        """
        tokens = self._tokens[permission]
        with self._request_locks[hash(key) % _LOCK_COUNT]:
            with self._lock:
                token = tokens.get(key)
            if token is None or not token.is_valid_for(life):
                token = request()
                with self._lock:
                    self._add(tokens, key, token)
            return token

    def discard(self, permission: StsPermission, key: Hashable) -> None:
        """Remove a token, for example after the storage rejected it."""
        with self._lock:
            self._tokens[permission].pop(key, None)

    def _add(
        self, tokens: "OrderedDict[Hashable, StsToken]", key: Hashable, token: StsToken
    ) -> None:
        tokens.pop(key, None)
        tokens[key] = token
        for each in [each for each in tokens if not tokens[each].is_valid_for(timedelta())]:
            del tokens[each]
        while len(tokens) > self._max_size:
            tokens.popitem(last=False)


def get_sts_token(
    syn: Session,
    entity_id: str,
    permission: StsPermission,
    min_remaining_life: timedelta | None = None,
    **options: Any,
) -> StsToken:
    """Return an STS token for the storage location of a folder or file.

    Args:
        syn: The session that sends the request and keeps the token.
        entity_id: ID of the folder or file, for example ``syn123``.
        permission: ``read_only`` or ``read_write``.
        min_remaining_life: A cached token with less remaining life is replaced; None for 1 hour.
        options: Arguments `retry` and `timeout` of `Session.call`.

    Raises:
        ValueError: Unknown permission, or a negative life.
        SynapseBadRequestError: The entity has no STS-enabled storage location, or its storage does
            not allow this permission.
        SynapseForbiddenError: The caller lacks the permissions.
        SynapseAuthenticationError: The caller logged out or in during the request.

    Source:
        GET /entity/{id}/sts
    """
    if permission not in get_args(StsPermission):
        raise ValueError(
            f"Invalid STS permission {permission}: expected one of "
            f"{', '.join(get_args(StsPermission))}."
        )
    identity = (syn.repoEndpoint, syn.credentials)
    return _get_cache(syn).get(
        permission,
        (identity, entity_id),
        _validate_life(min_remaining_life),
        lambda: _request_token(syn, entity_id, permission, identity, **options),
    )


def discard_sts_tokens(syn: Session) -> None:
    """Remove all STS tokens of a session from memory."""
    syn.forget(_RESOURCE)


def _get_cache(syn: Session) -> StsTokenCache:
    return syn.get_or_create(_RESOURCE, StsTokenCache)


def _request_token(
    syn: Session, entity_id: str, permission: StsPermission, identity: Hashable, **options: Any
) -> StsToken:
    path = f"/entity/{entity_id}/sts"
    body = syn.call("GET", path, params={"permission": permission}, **options).object
    if (syn.repoEndpoint, syn.credentials) != identity:
        raise SynapseAuthenticationError(
            f"The login of the client changed while an STS token for {entity_id} was requested. "
            "Request the token again."
        )
    return StsToken.parse(body)


def _validate_life(life: timedelta | None) -> timedelta:
    if life is None:
        return DEFAULT_REMAINING_LIFE
    if not isinstance(life, timedelta):
        raise TypeError(
            f"Invalid min_remaining_life {life!r}: expected a datetime.timedelta, for example "
            "timedelta(minutes=30)."
        )
    if life < timedelta():
        raise ValueError(f"Invalid min_remaining_life {life!r}: it must not be negative.")
    return life


def _parse_time(value: Any) -> datetime:
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        raise SynapseResponseError(
            f"The STS token has an invalid expiration {value!r}: expected an ISO 8601 time."
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)

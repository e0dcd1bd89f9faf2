"""Credentials of a user: how they are sent with requests, and how they are validated.

Token         personal access token; current Synapse accepts only these
ApiKey        API key of older services; each request is signed with it
SessionToken  session token of older services
Password      password of older services; it is exchanged for an API key

`credential_sources` searches for credentials.
"""

import base64
import hashlib
import hmac
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from synapse_workflows.client.core.redaction import Secret
from synapse_workflows.client.errors import SynapseAuthenticationError

TOKEN_VARIABLE: Final = "SYNAPSE_AUTH_TOKEN"  # noqa: S105 - the name of a variable
LOGIN_HELP: Final = (
    "Create a personal access token with the scopes view, download and modify "
    "(https://www.synapse.org/#!PersonalAccessTokens:), and pass it to login(authToken=...), set "
    f"the environment variable {TOKEN_VARIABLE}, or set authtoken in section [authentication] of "
    "the configuration file."
)
#: Characters that no token, API key or session token contains.
_NOT_IN_SECRETS: Final = frozenset(" \"'")


@dataclass(frozen=True)
class Credentials(ABC):
    """Credentials of one user.

    Args:
        secret: The secret, which never appears in a repr, log or error.
        username: User name of the owner. Before the login has verified the name, this is the name
            that is configured together with the secret, or None.
        origin: Description of the source in which the credentials were found.

    Raises:
        SynapseAuthenticationError: The credentials are malformed.
    """

    secret: str = field(repr=False)
    username: str | None = None
    origin: str = field(default="an argument", compare=False)

    #: Name of the type of credentials in messages, with its article.
    kind: ClassVar[str]

    @property
    def noun(self) -> str:
        """Name of the type of credentials without article."""
        return self.kind.partition(" ")[2]

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret", Secret(self.secret))

    @cached_property
    def account_digest(self) -> str:
        """Digest that is the same for all tokens of an account if they contain its user ID."""
        user_id = (_claims(self.secret) or {}).get("sub")
        return _digest(str(user_id or self.secret))

    @abstractmethod
    def headers(self, url: str) -> dict[str, str]:
        """Return the headers that authenticate a request.

        Args:
            url: URL of the request, percent-encoded as it is sent.
        """


@dataclass(frozen=True)
class Token(Credentials):
    """A personal access token, or another bearer token of Synapse.

    Raises:
        SynapseAuthenticationError: The token is malformed, or lacks the scope ``view``.
    """

    origin: str = field(default="the argument authToken", compare=False)

    kind: ClassVar[str] = "a token"

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret", _clean(self.secret, "token", self.origin))
        scopes = _scopes(self.secret)
        if scopes is not None and "view" not in scopes:
            raise SynapseAuthenticationError(
                "A view scoped token is required\n"
                f"The token from {self.origin} lacks this scope. {LOGIN_HELP}"
            )

    def headers(self, url: str) -> dict[str, str]:  # noqa: ARG002 - the same for all URLs
        """Return the header Authorization."""
        return {"Authorization": f"Bearer {self.secret}"}


@dataclass(frozen=True)
class ApiKey(Credentials):
    """An API key, which signs each request of the user `username`.

    Raises:
        SynapseAuthenticationError: The key is not Base64, or the user name is missing.
    """

    origin: str = field(default="the argument apiKey", compare=False)

    kind: ClassVar[str] = "an API key"

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret", _clean(self.secret, "API key", self.origin))
        username = (self.username or "").strip()
        if not username or not username.isascii() or not username.isprintable():
            problem = f", not {username!r}" if username else ""
            raise SynapseAuthenticationError(
                f"The API key from {self.origin} needs the name of its user, in ASCII "
                f"characters{problem}: pass login(email=..., apiKey=...)."
            )
        try:
            base64.b64decode(self.secret, validate=True)
        except ValueError:
            raise SynapseAuthenticationError(
                f"Invalid API key from {self.origin}: expected Base64 text. Copy the complete key "
                "again."
            ) from None

    def headers(self, url: str) -> dict[str, str]:
        """Return the signature of a request that is sent now.

        The signature is the HMAC-SHA1 of user name, path and time.
        """
        timestamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        text = f"{self.username}{urlsplit(url).path}{timestamp}".encode()
        digest = hmac.new(base64.b64decode(self.secret), text, hashlib.sha1).digest()
        return {
            "userId": str(self.username),
            "signatureTimestamp": timestamp,
            "signature": base64.b64encode(digest).decode(),
        }


@dataclass(frozen=True)
class SessionToken(Credentials):
    """A session token that is not a bearer token."""

    origin: str = field(default="the argument sessionToken", compare=False)

    kind: ClassVar[str] = "a session token"

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret", _clean(self.secret, "session token", self.origin))

    def headers(self, url: str) -> dict[str, str]:  # noqa: ARG002 - the same for all URLs
        """Return the header sessionToken."""
        return {"sessionToken": str(self.secret)}


@dataclass(frozen=True)
class Password(Credentials):
    """A password of the user `username`. It is sent in the body of a request, not in headers.

    Args:
        alternative: Token from the same source, for services that do not support passwords.
    """

    origin: str = field(default="the argument password", compare=False)
    alternative: Token | None = None

    kind: ClassVar[str] = "a password"

    @cached_property
    def account_digest(self) -> str:
        """Digest of the user name: a short password could be guessed from its digest."""
        return _digest(str(self.username))

    def headers(self, url: str) -> dict[str, str]:  # noqa: ARG002 - none for all URLs
        """Return no headers."""
        return {}


def is_jwt(text: str) -> bool:
    """Return whether a text has the form of a personal access token (a JSON web token)."""
    return _claims(text) is not None


def retired_credentials_error(
    what: str, where: str, response: str = ""
) -> SynapseAuthenticationError:
    """Create the error for credentials of a type that Synapse does not support any more.

    Args:
        what: Type of the credentials, `Credentials.kind`.
        where: Source of the credentials, `Credentials.origin`.
        response: Response of the service, if it was asked.
    """
    found = f"found in {where}" + (f"; {response}" if response else "")
    return SynapseAuthenticationError(
        f"Synapse does not support the login with {what} any more ({found}). {LOGIN_HELP}"
    )


def _clean(secret: str, what: str, origin: str) -> Secret:
    """Return a secret without surrounding white space.

    Raises:
        SynapseAuthenticationError: It is empty or contains characters that no header may contain.
    """
    clean = Secret(secret.strip())
    is_text = clean.isascii() and clean.isprintable()
    if not clean or not is_text or not _NOT_IN_SECRETS.isdisjoint(clean):
        article = "an" if what.startswith("A") else "a"
        raise SynapseAuthenticationError(
            f"Invalid {what} from {origin}: it is empty or contains characters that are "
            f"not allowed in {article} {what}, such as spaces or quotes. Copy the complete "
            f"{what} again."
        )
    return clean


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _scopes(token: str) -> list[Any] | None:
    """Return the scopes of a token; None if the token does not contain its scopes."""
    claims = _claims(token)
    access = claims.get("access") if claims else None
    scopes = access.get("scope") if isinstance(access, dict) else None
    return scopes if isinstance(scopes, list) else None


def _claims(token: str) -> dict[str, Any] | None:
    """Return the unverified claims of a JSON web token; None if the text is not such a token."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return None
    payload = parts[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None

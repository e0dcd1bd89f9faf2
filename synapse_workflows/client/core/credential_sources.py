"""Search for credentials: arguments, environment, configuration file, keyring, AWS."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from synapse_workflows.client.core import keyring_store
from synapse_workflows.client.core.config import DEFAULT_PROFILE, Config
from synapse_workflows.client.core.credentials import (
    LOGIN_HELP,
    TOKEN_VARIABLE,
    ApiKey,
    Credentials,
    Password,
    SessionToken,
    Token,
)
from synapse_workflows.client.core.redaction import Secret
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseConfigError,
    SynapseNoCredentialsError,
)

PROFILE_VARIABLE: Final = "SYNAPSE_PROFILE"
PARAMETER_VARIABLE: Final = "SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME"


@dataclass(frozen=True)
class LoginRequest:
    """Arguments of a login, and the settings in which credentials are searched.

    Args:
        email: User name or e-mail address of the owner of the credentials.
        password: The argument ``password``.
        api_key: The argument ``apiKey``.
        session_token: The argument ``sessionToken``.
        token: The argument ``authToken``.
        forced: Whether to skip the keyring.
        profile: The argument ``profile``.
        config: Settings of the configuration file.
        environ: Environment variables.

    Raises:
        TypeError: An argument is not text.
    """

    email: str | None = None
    password: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    forced: bool = False
    profile: str | None = None
    config: Config = field(default_factory=lambda: Config("~/.synapseConfig"))
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        types = {
            "email": type(self.email),
            "password": type(self.password),
            "apiKey": type(self.api_key),
            "sessionToken": type(self.session_token),
            "authToken": type(self.token),
            "profile": type(self.profile),
        }
        for name, given in types.items():
            if not issubclass(given, str | None):  # the message must not show a secret
                raise TypeError(
                    f"Invalid argument {name} of login: expected text, not {given.__name__}."
                )
        object.__setattr__(self, "email", (self.email or "").strip() or None)

    @property
    def selected_profile(self) -> str | None:
        """Profile that the caller or the environment selected; None for the default profile."""
        name = (self.profile or self.environ.get(PROFILE_VARIABLE) or "").strip()
        name = name or DEFAULT_PROFILE
        return None if name == DEFAULT_PROFILE else name

    @property
    def settings(self) -> Mapping[str, str]:
        """Login settings of the profile in the configuration file.

        Raises:
            SynapseAuthenticationError: The file does not have the selected profile.
        """
        profiles, name = self.config.profiles, self.selected_profile
        if name is not None and name not in profiles:
            known = ", ".join(repr(one) for one in sorted(profiles)) or "none"
            raise SynapseAuthenticationError(
                f"Profile {name!r} does not exist in the configuration file.\n"
                f"Add a section [profile {name}] to {self.config.path}, or select another profile "
                f"with login(profile=...) or {PROFILE_VARIABLE}. Profiles of the file: {known}."
            )
        return profiles.get(name or DEFAULT_PROFILE, {})


#: Function that searches one source and returns credentials, or a description of what is missing.
CredentialSource = Callable[[LoginRequest], Credentials | str]


def find_credentials(
    request: LoginRequest, sources: Sequence[CredentialSource] | None = None
) -> Credentials:
    """Return the credentials of the first source that has some.

    Args:
        request: Arguments and settings.
        sources: Sources in their order; None for all. A selected profile limits them to the
            arguments, the configuration file and the keyring, so that no other identity is used.

    Raises:
        SynapseNoCredentialsError: No source has credentials; the message lists all sources.
        SynapseAuthenticationError: Credentials are malformed, or the selected profile is missing.
    """
    missing = []
    for source in sources or (PROFILE_SOURCES if request.selected_profile else SOURCES):
        result = source(request)
        if isinstance(result, Credentials):
            return result
        missing.append(result)
    searched = "\n".join(f"  {number}. {text}" for number, text in enumerate(missing, 1))
    raise SynapseNoCredentialsError(
        f"No credentials provided. Looked in:\n{searched}\n{LOGIN_HELP}"
    )


def search_arguments(request: LoginRequest) -> Credentials | str:
    """Search the arguments of the login.

    Raises:
        SynapseAuthenticationError: A password or an API key without user name.
    """
    if request.session_token:
        return SessionToken(request.session_token)
    if request.email and request.password:
        return Password(request.password, request.email)
    if request.token:
        return Token(request.token)
    if request.email and request.api_key:
        return ApiKey(request.api_key, request.email)
    for given, name in ((request.password, "password"), (request.api_key, "apiKey")):
        if given:
            raise SynapseAuthenticationError(
                f"The argument {name} needs the name of the user: pass login(email=..., "
                f"{name}=...). Current services accept personal access tokens only. {LOGIN_HELP}"
            )
    return "arguments: no authToken"


def search_environment(request: LoginRequest) -> Credentials | str:
    """Search the variable ``SYNAPSE_AUTH_TOKEN``."""
    secret = Secret(request.environ.get(TOKEN_VARIABLE) or "")
    if not secret:
        return f"environment: {TOKEN_VARIABLE} is not set"
    return Token(secret, origin=f"the variable {TOKEN_VARIABLE}")


def search_config_file(request: LoginRequest) -> Credentials | str:
    """Search the profile in the configuration file.

    Raises:
        SynapseAuthenticationError: The file does not have the selected profile.
    """
    settings, path = request.settings, request.config.path
    username = settings.get("username") or None
    if request.email and username and not _is_same(request.email, username):
        return f"{path}: the login is for {username}, not for {request.email}"
    token = Token(settings["authtoken"], username, path) if settings.get("authtoken") else None
    if username and settings.get("password"):
        return Password(settings["password"], username, path, alternative=token)
    if token is not None:
        return token
    if username and settings.get("apikey"):
        return ApiKey(settings["apikey"], username, path)
    return _describe_config_file(request)


def search_keyring(request: LoginRequest) -> Credentials | str:
    """Search the keyring, for the user of the login or for the last user."""
    if request.forced:
        return "keyring: skipped (forced)"
    configured = request.settings.get("username") or None
    # Fall back to the last user only if neither the caller nor the configuration names a user.
    last = None if request.selected_profile else keyring_store.most_recent_user()
    username = request.email or configured or last
    if not username:
        return f"keyring: no user is recorded in {keyring_store.SESSION_FILE}"
    if last and _is_same(last, username):
        username = last  # as it is spelled in the keyring
    try:
        found = _load_from_keyring(username)
    except keyring_store.KeyringUnavailableError as error:
        return f"keyring: no token for {username} ({error})"
    # The login compares the owner with its argument; without it, with the configured name.
    if isinstance(found, Token) and configured and not request.email:
        return replace(found, username=configured)
    return found or f"keyring: no token for {username}"


def _load_from_keyring(username: str) -> Token | ApiKey | None:
    """Return the token or the API key of a user in the keyring; None if there is none.

    Raises:
        KeyringUnavailableError: The keyring cannot be used.
    """
    origin = f"the keyring ({username})"
    secret = keyring_store.load_secret(keyring_store.TOKEN_SERVICE, username)
    if secret:
        return Token(secret, origin=origin)
    secret = keyring_store.load_secret(keyring_store.API_KEY_SERVICE, username)
    return ApiKey(secret, username, origin) if secret else None


def search_parameter_store(request: LoginRequest) -> Credentials | str:
    """Search the AWS parameter that ``SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME`` names.

    Raises:
        SynapseConfigError: The parameter cannot be read.
    """
    name = request.environ.get(PARAMETER_VARIABLE)
    if not name:
        return f"AWS parameter store: {PARAMETER_VARIABLE} is not set"
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise SynapseConfigError(
            f"{PARAMETER_VARIABLE} is set, but boto3 is not installed: "
            "pip install 'synapse-workflows[s3]'"
        ) from None
    try:
        response = boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)
    except (BotoCoreError, ClientError) as error:
        raise SynapseConfigError(
            f"Cannot read the token from the AWS parameter {name} ({PARAMETER_VARIABLE}): {error}"
        ) from None
    secret = Secret(response.pop("Parameter")["Value"])
    return Token(secret, origin=f"the AWS parameter {name}")


SOURCES: Final[tuple[CredentialSource, ...]] = (
    search_arguments,
    search_environment,
    search_config_file,
    search_keyring,
    search_parameter_store,
)
#: Sources for a selected profile.
PROFILE_SOURCES: Final[tuple[CredentialSource, ...]] = (
    search_arguments,
    search_config_file,
    search_keyring,
)


def _describe_config_file(request: LoginRequest) -> str:
    """Return what is missing in a configuration file without credentials."""
    path, name = request.config.path, request.selected_profile
    if not os.path.exists(path):  # noqa: PTH110 - False in a directory of another user
        return f"{path}: the file does not exist"
    if request.settings.get("password") or request.settings.get("apikey"):
        return f"{path}: a password or an API key without username"
    return f"{path}: no authtoken in section [{f'profile {name}' if name else 'authentication'}]"


def _is_same(name: str, other: str) -> bool:
    """Return whether two user names are equal; Synapse ignores their case."""
    return name.strip().casefold() == other.strip().casefold()

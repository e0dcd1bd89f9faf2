"""Who is asking: personal access tokens."""

from dataclasses import dataclass, field

from synapse_workflows.client.errors import SynapseAuthenticationError


@dataclass(frozen=True)
class Token:
    """A personal access token of Synapse.

    Args:
        secret: The token itself; in no repr, log or error.
        username: Whose it is, once Synapse said so.
    """

    secret: str = field(repr=False)
    username: str | None = None

    def __post_init__(self) -> None:
        clean = self.secret.strip()
        if not clean or not clean.isascii() or not clean.isprintable() or " " in clean:
            raise SynapseAuthenticationError(
                "The token is empty or holds characters that no token has: copy it again, whole."
            )
        object.__setattr__(self, "secret", clean)

    @property
    def authorization(self) -> str:
        """Value of the Authorization header."""
        return f"Bearer {self.secret}"

"""Signatures of access tokens and pre-signed URLs."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

import jwt


@dataclass(frozen=True)
class Signer:
    """Signer with the secret of a data directory. Each purpose has its own key.

    Args:
        secret: 32 random bytes.
    """

    secret: bytes = field(repr=False)

    def _key(self, purpose: str) -> bytes:
        return hmac.new(self.secret, purpose.encode(), hashlib.sha256).digest()

    def sign_token(self, claims: dict[str, Any]) -> str:
        """Return a JWT. Equal claims give equal tokens."""
        return jwt.encode(claims, self._key("token"), algorithm="HS256", sort_headers=True)

    def sign(self, purpose: str, text: str) -> str:
        """Return the signature of a text as 64 hexadecimal digits."""
        return hmac.new(self._key(purpose), text.encode(), hashlib.sha256).hexdigest()

    def verify(self, purpose: str, text: str, signature: str) -> bool:
        """Return whether a signature is valid, in constant time."""
        return hmac.compare_digest(
            self.sign(purpose, text).encode(), signature.encode("utf-8", "replace")
        )

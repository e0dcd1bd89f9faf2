"""Secret of the service, stored in the data directory."""

import os
import secrets
from pathlib import Path

from synapse_workflows.local.storage.data_dir import DataDirError

_SIZE = 32
#: Minimum number of different bytes. The probability that a random secret has fewer different
#: bytes is below 1e-20.
_MIN_DIFFERENT = 12


def load_secret(data_dir: Path) -> bytes:
    """Return the secret of a data directory; create it on the first start.

    The file is written completely under another name and then linked. Two services that start at
    the same time get the same secret, and a crash leaves no incomplete secret.

    Raises:
        DataDirError: The secret is too short or has too few different bytes.
    """
    path = data_dir / "secret"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f"secret.{os.getpid()}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_SIZE))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    secret = path.read_bytes()
    if len(secret) < _SIZE or len(set(secret)) < _MIN_DIFFERENT:
        raise DataDirError(
            f"{path} is too weak to sign tokens: expected {_SIZE} random bytes, it has "
            f"{len(secret)}, {len(set(secret))} of them different. Restore it from a backup, or "
            "delete it: the service then creates a new one, and earlier tokens become invalid."
        )
    return secret

"""The service's one secret, kept beside its data."""

import os
import secrets
from pathlib import Path

_BYTES = 32


def load_secret(data_dir: Path) -> bytes:
    """Read the secret of this data directory, and make it on the first start.

    The file is written whole under another name and then linked: two services that start at
    once agree on one secret, and a service killed in between leaves none behind.
    """
    path = data_dir / "secret"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f"secret.{os.getpid()}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()

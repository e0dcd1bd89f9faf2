"""Files that a scoring task writes beside those of the scorer, and texts that it stores."""

import shutil
from contextlib import suppress
from pathlib import Path

from airflow.sdk._shared.secrets_masker import redact as mask_secrets

from synapse_workflows.challenge.scorer_process import ScorerError
from synapse_workflows.client.core.redaction import redact


def replace_file(path: Path, text: str) -> None:
    """Write a text file, in place of whatever a scorer has created at its path.

    Raises:
        ScorerError: The directory was deleted, or is not writable.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        with suppress(FileNotFoundError):
            path.unlink()
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise ScorerError(
            f"The scratch directory of the task was changed: cannot write {path.name} "
            f"({error.strerror}). A program may only add files to its working directory"
        ) from error


def mask_text(text: str) -> str:
    """Return a text without tokens and without the values that Airflow masks in logs."""
    return redact(str(mask_secrets(text)))

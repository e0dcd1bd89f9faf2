"""Logger of one client, with a separate level, redacted messages and default console output."""

import logging
import sys
import weakref
from typing import Final, Protocol

from synapse_workflows.client.core.redaction import redact

NAME: Final = "synapse_workflows.client"
#: Loggers of libraries that log full URLs.
_LIBRARY_LOGGERS = ("urllib3.connectionpool", "httpx2")


class LogSettings(Protocol):
    """Settings of a client that its logger reads for each record; `Session` implements it."""

    silent: bool | None
    debug: bool

    def secrets(self) -> tuple[str, ...]:
        """Return the tokens to redact."""
        ...


class ClientLogger(logging.Logger):
    """Logger of one client. Its settings do not affect other clients.

    The logger is not registered with `logging`, but passes its records to the handlers of
    `synapse_workflows.client` and its parents. The level is DEBUG for a client with `debug`.
    Otherwise, it is the level of `synapse_workflows.client` or `synapse_workflows`, or INFO if
    neither level is set.
    """

    def __init__(self, settings: LogSettings) -> None:
        super().__init__(NAME)
        self._settings = weakref.ref(settings)
        self.parent = logging.getLogger(NAME)
        self.addFilter(self._redact)
        self.addHandler(ConsoleHandler(self.parent))

    def getEffectiveLevel(self) -> int:  # noqa: N802 - logging's name
        """Return the lowest level at which records are created."""
        settings = self._settings()
        if settings is not None and settings.debug:
            return logging.DEBUG
        above: logging.Logger | None = self
        while above is not None and above.parent is not None:
            if above.level:
                return above.level
            above = above.parent
        return logging.INFO

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Return whether records of this level are created, given the current `silent` setting."""
        settings = self._settings()
        silent = settings is not None and settings.silent
        return not silent and level > self.manager.disable and level >= self.getEffectiveLevel()

    def _redact(self, record: logging.LogRecord) -> bool:
        settings = self._settings()
        return _redact_record(record, settings.secrets() if settings is not None else ())


class ConsoleHandler(logging.Handler):
    """Handler that prints messages if logging is not configured.

    Warnings and errors are printed to stderr, other messages to stdout.

    Args:
        parent: The logger whose handlers make this handler unnecessary.
    """

    def __init__(self, parent: logging.Logger) -> None:
        super().__init__()
        self._parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message unless the parent logger has handlers."""
        if not self._parent.hasHandlers():
            stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
            stream.write(f"{record.getMessage()}\n")


def create_client_logger(settings: LogSettings) -> logging.Logger:
    """Create the logger of a client, and redact pre-signed URLs in the logs of libraries."""
    for name in _LIBRARY_LOGGERS:
        # Adding the same filter again has no effect.
        logging.getLogger(name).addFilter(_redact_record)
    return ClientLogger(settings)


def _redact_record(record: logging.LogRecord, secrets: tuple[str, ...] = ()) -> bool:
    """Filter that removes secrets from a record and always accepts it."""
    record.msg = redact(record.getMessage(), secrets)
    record.args = ()
    return True

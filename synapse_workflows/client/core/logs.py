"""A logger for each client: its own level, secrets taken out, heard where nobody set one up."""

import logging
import sys
import weakref
from typing import TYPE_CHECKING, Final

from synapse_workflows.client.core import wire

if TYPE_CHECKING:
    from synapse_workflows.client.core.session import Session

NAME: Final = "synapse_workflows.client"
#: Loggers of libraries that write whole URLs.
_TALKATIVE = ("urllib3.connectionpool", "httpx2")


class Redaction(logging.Filter):
    """Takes secrets out of what is logged: those of one session, and all of known form."""

    def __init__(self, session: "Session | None" = None) -> None:
        super().__init__()
        self._session = None if session is None else weakref.ref(session)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; let it through."""
        session = self._session() if self._session else None
        record.msg = wire.redact(record.getMessage(), session.secrets() if session else ())
        record.args = ()
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Redaction) and self._session == other._session

    def __hash__(self) -> int:
        return hash(type(self))


class Terminal(logging.Handler):
    """Writes where nobody set up logging: plain words, warnings to stderr.

    Args:
        above: The logger whose handlers make this one needless.
    """

    def __init__(self, above: logging.Logger) -> None:
        super().__init__()
        self._above = above

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message unless somebody else will."""
        if not self._above.hasHandlers():
            stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
            print(record.getMessage(), file=stream)


def client_logger(session: "Session") -> logging.Logger:
    """Make the logger of one client; a silent or debugging one changes no other client's.

    It is in no registry, but hands its records on to the handlers of `synapse_workflows.client`.
    """
    logger = logging.Logger(NAME)  # noqa: LOG001 - a registered one would be process-global
    logger.parent = logging.getLogger(NAME)
    logger.setLevel(logging.DEBUG if session.debug else logging.INFO)
    logger.disabled = bool(session.silent)
    logger.addFilter(Redaction(session))
    logger.addHandler(Terminal(logger.parent))
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(Redaction())
    return logger

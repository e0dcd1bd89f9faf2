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


class ClientLogger(logging.Logger):
    """The logger of one client; a silent or debugging one changes no other client's.

    It is in no registry, but hands its records on to the handlers of `synapse_workflows.client`
    and above. Its level is DEBUG for a debugging client, else what is set for
    `synapse_workflows.client` or `synapse_workflows`, else INFO.
    """

    def __init__(self, session: "Session") -> None:
        super().__init__(NAME)
        self._session = weakref.ref(session)
        self.parent = logging.getLogger(NAME)
        self.addFilter(self._redacted)
        self.addHandler(Terminal(self.parent))

    def getEffectiveLevel(self) -> int:  # noqa: N802 - logging's name
        """Level from which on records are made."""
        session = self._session()
        if session is not None and session.debug:
            return logging.DEBUG
        above: logging.Logger | None = self
        while above is not None and above.parent is not None:
            if above.level:
                return above.level
            above = above.parent
        return logging.INFO

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Whether a record of this level is made; `silent` may change at any time."""
        session = self._session()
        silent = session is not None and session.silent
        return not silent and level > self.manager.disable and level >= self.getEffectiveLevel()

    def _redacted(self, record: logging.LogRecord) -> bool:
        session = self._session()
        return _redact(record, session.secrets() if session is not None else ())


class Terminal(logging.Handler):
    """Prints where nobody set up logging: plain words, warnings to stderr.

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
            stream.write(f"{record.getMessage()}\n")


def client_logger(session: "Session") -> logging.Logger:
    """Make the logger of a client, and keep pre-signed URLs out of the logs of the libraries."""
    for name in _TALKATIVE:
        # Adding it again changes nothing.
        logging.getLogger(name).addFilter(_redact)
    return ClientLogger(session)


def _redact(record: logging.LogRecord, secrets: tuple[str, ...] = ()) -> bool:
    """Rewrite a record without secrets; let it through."""
    record.msg = wire.redact(record.getMessage(), secrets)
    record.args = ()
    return True

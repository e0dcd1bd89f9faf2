"""Errors of SQL functions that are implemented in Python."""

from collections.abc import Callable
from typing import Any


class EvaluationError(ValueError):
    """A value cannot be computed. The message is returned to the caller of the query."""


class ErrorRecorder:
    """Record the message of the last failed function call of a connection.

    SQLite replaces the message of an exception raised in a function by a generic message.
    """

    def __init__(self) -> None:
        self.last: str | None = None

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that it records the message of an error before raising the error."""

        def wrapped(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except EvaluationError as error:
                self.last = str(error)
                raise
            except RecursionError:
                self.last = "The JSON is nested too deeply."
                raise

        return wrapped

    def wrap_aggregate(self, aggregate: type) -> type:
        """Wrap the methods of an aggregate class as `wrap` does for a function."""
        wrap = self.wrap

        class Wrapped(aggregate):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.step = wrap(super().step)
                self.finalize = wrap(super().finalize)

        return Wrapped

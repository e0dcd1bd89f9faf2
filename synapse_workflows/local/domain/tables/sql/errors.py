"""What our functions in SQLite say when they cannot answer; SQLite itself forgets the words."""

from collections.abc import Callable
from typing import Any, Final

#: Characters that a text made by a query may have; cells of tables have fewer.
MOST_LETTERS: Final = 4 << 20


class EvaluationError(ValueError):
    """A row has no answer; says why, in words for the caller."""


class Complaints:
    """Keeps the words of what failed on one connection."""

    def __init__(self) -> None:
        self.last: str | None = None

    def heard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give a function that leaves its words here when it fails."""

        def listened(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except EvaluationError as error:
                self.last = str(error)
                raise
            except RecursionError:
                self.last = "The JSON is nested too deeply."
                raise

        return listened

    def heard_class(self, aggregate: type) -> type:
        """Give a class of a set function that leaves its words here when it fails."""
        heard = self.heard

        class Listened(aggregate):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.step = heard(super().step)
                self.finalize = heard(super().finalize)

        return Listened

"""Dictionaries whose items are also attributes."""

import copy
import json
from collections.abc import Mapping
from typing import Any, Self


class DictObject(dict[str, Any]):
    """A dictionary whose items are also attributes: ``x["userName"]`` is ``x.userName``.

    Keys are the names of the REST API. A key that is also a name of a dictionary method
    (``keys``, ``items``, ``json``) is accessible as an item only.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            class_name = type(self).__name__
            raise AttributeError(f"{class_name!r} object has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            class_name = type(self).__name__
            raise AttributeError(f"{class_name!r} object has no attribute {name!r}") from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"

    def __str__(self) -> str:
        return self.json()

    def copy(self) -> Self:
        """Return a shallow copy of the same class."""
        return copy.copy(self)

    def json(self, ensure_ascii: bool = True) -> str:
        """Serialize the items as JSON with sorted keys, indented by two spaces.

        Args:
            ensure_ascii: Escape non-ASCII characters.
        """
        return json.dumps(self, sort_keys=True, indent=2, ensure_ascii=ensure_ascii, default=str)


def check_mapping(name: str, value: object, example: str) -> None:
    """Check that an argument is a mapping.

    Raises:
        TypeError: It is not; the message contains its name, its value and `example`.
    """
    if not isinstance(value, Mapping):
        raise TypeError(
            f"The {name} must be a mapping, for example {example}, not {value!r:.100}."
        )

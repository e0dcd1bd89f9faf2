"""Records of Synapse that are dictionaries with their items as attributes too."""

import json
from typing import Any


class DictObject(dict[str, Any]):
    """A dictionary whose items are attributes: ``x["userName"]`` is ``x.userName``.

    Items keep the names of the REST API. A name that dictionaries use themselves (``keys``,
    ``items``, ``json``) is reached as an item only.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            kind = type(self).__name__
            raise AttributeError(f"{kind!r} object has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            kind = type(self).__name__
            raise AttributeError(f"{kind!r} object has no attribute {name!r}") from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"

    def __str__(self) -> str:
        return self.json()

    def copy(self) -> "DictObject":
        """Copy the items, one level deep, into an object of the same class."""
        return type(self)(self)

    def json(self, ensure_ascii: bool = True) -> str:
        """Write the items as JSON, keys sorted, two spaces of indent.

        Args:
            ensure_ascii: Escape what is not ASCII.
        """
        return json.dumps(self, sort_keys=True, indent=2, ensure_ascii=ensure_ascii, default=str)

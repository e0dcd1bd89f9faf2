"""Conversations with Synapse as generators: what to ask, how long to wait, what comes out.

A flow yields a `Call` (and is sent its `Reply`) or a `Pause` (and is sent None), and returns its
result. It does no I/O and reads no clock: `Session.run` drives it with requests,
`AsyncSession.run` with httpx2, a test by hand with `send`. An error of a call is thrown into the
flow at its yield.
"""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from synapse_workflows.client.errors import SynapseError

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True)
class Call:
    """One request to Synapse.

    Args:
        method: ``GET``, ``POST``, ``PUT``, ``DELETE``.
        path: Below the endpoint (``/entity/syn1``), or a whole URL.
        endpoint: ``repo``, ``auth``, ``file``, or the base URL of another one.
        params: The query; entries that are None are left out.
        body: What JSON can hold, datetimes included; text and bytes are sent as they are.
        headers: Sent instead of the usual ones when given.
        repeatable: Whether a second execution does no harm. None: GET, HEAD, PUT (an etag guards
            it: 412 when the first went through) and DELETE yes, POST no.
    """

    method: str
    path: str
    endpoint: str = "repo"
    params: Mapping[str, Any] | None = None
    body: Any = None
    headers: Mapping[str, str] | None = None
    repeatable: bool | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"


@dataclass(frozen=True)
class Pause:
    """Wait before going on.

    Args:
        seconds: 0 or more.
    """

    seconds: float


@dataclass(frozen=True)
class Reply:
    """The answer to a call, with a status of 2xx.

    Args:
        status: HTTP status.
        headers: Of the answer; look-up ignores case in real ones.
        content: The body; empty when it is streamed.
        response: The open response of a streamed call, to be closed by who asked for it.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    response: "requests.Response | None" = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, value: Any, status: int = 200) -> "Reply":
        """Make the reply that holds `value` as JSON."""
        headers = {"Content-Type": "application/json"}
        return cls(status, headers, json.dumps(value).encode())

    @cached_property
    def text(self) -> str:
        """The body as text (UTF-8, as Synapse sends it)."""
        return self.content.decode("utf-8", "replace")

    @cached_property
    def json(self) -> Any:
        """The body parsed as JSON, None when it is empty.

        Raises:
            SynapseError: It is no JSON.
        """
        if not self.content:
            return None
        try:
            return json.loads(self.content)
        except ValueError:
            raise SynapseError(
                f"The answer is not JSON ({self.headers.get('Content-Type', 'no type')}, "
                f"{len(self.content)} bytes). Is the endpoint really a Synapse?"
            ) from None

    @property
    def value(self) -> Any:
        """The body as its content type says: parsed JSON, else text."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return self.json if kind == "application/json" and self.content else self.text


T = TypeVar("T")
Flow = Generator[Call | Pause, Reply | None, T]


@dataclass(frozen=True)
class Page:
    """One page of a list.

    Args:
        items: What is on it.
        following: The call for the page after it; None after the last.
    """

    items: list[Any]
    following: Call | None


Turn = Callable[[Call], Flow[Page]]


def ask(call: Call) -> Flow[Reply]:
    """Make one call."""
    reply = yield call
    if reply is None:
        raise TypeError("a Call is answered by a Reply")
    return reply


def from_offset(call: Call, limit: int = 20, offset: int = 0) -> Call:
    """Ask for the page of `limit` items that starts at item `offset`, counted from 0."""
    return replace(call, params={**(call.params or {}), "limit": limit, "offset": offset})


def offset_page(call: Call) -> Flow[Page]:
    """Fetch a page; the next starts after what came. An empty page is the last.

    The items are under ``results`` or ``children``.
    """
    reply = yield from ask(call)
    items = _items(reply, "results", "children")
    params = call.params or {}
    following = {**params, "offset": int(params.get("offset", 0)) + len(items)}
    return Page(items, replace(call, params=following) if items else None)


def token_page(call: Call) -> Flow[Page]:
    """Fetch a page; the next is named by ``nextPageToken`` of the answer.

    The token goes into the body of a POST, and into the query of anything else.
    """
    reply = yield from ask(call)
    items = _items(reply, "page", "results", "children", "list")
    token = (reply.json or {}).get("nextPageToken")
    if token is None:
        return Page(items, None)
    if call.method == "POST":
        return Page(items, replace(call, body={**(call.body or {}), "nextPageToken": token}))
    return Page(items, replace(call, params={**(call.params or {}), "nextPageToken": token}))


def every(call: Call, turn: Turn = offset_page) -> Flow[list[Any]]:
    """Collect the items of all pages, beginning with the one `call` asks for."""
    items: list[Any] = []
    following: Call | None = call
    while following is not None:
        page = yield from turn(following)
        items += page.items
        following = page.following
    return items


def advance(
    flow: Flow[T], reply: Reply | None = None, error: BaseException | None = None
) -> Call | Pause:
    """Give a flow what came of its last step and return the next one.

    Raises:
        StopIteration: The flow is done; its `value` is the result.
    """
    return flow.throw(error) if error is not None else flow.send(reply)


def _items(reply: Reply, *keys: str) -> list[Any]:
    found = reply.json or {}
    return next((found[key] for key in keys if found.get(key) is not None), [])

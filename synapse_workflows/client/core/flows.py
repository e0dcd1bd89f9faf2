"""Multi-step requests to Synapse as generators, executed by `Session` and `AsyncSession`.

A flow yields a `Call` (and receives its `Reply`) or a `Pause` (and receives None), and returns its
result. It performs no I/O and reads no clock: `Session.run` executes it with requests,
`AsyncSession.run` with httpx2, and a test with `send`. An error of a call is raised in the flow at
its `yield`.
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
        path: Path below the endpoint (``/entity/syn1``), or an absolute URL.
        endpoint: ``repo``, ``auth``, ``file``, or another base URL.
        params: Query parameters; entries that are None are left out.
        body: Value to serialize as JSON, which may contain datetimes. Text and bytes are sent
            unchanged.
        headers: Headers that replace the default ones.
        repeatable: Whether executing the call twice is harmless. None: GET, HEAD, PUT (an etag
            protects it: the second one fails with 412) and DELETE are repeatable, POST is not.
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
    """A delay before the next step.

    Args:
        seconds: 0 or more.
    """

    seconds: float


@dataclass(frozen=True)
class Reply:
    """Response to a call.

    Args:
        status: HTTP status; 2xx in flows.
        headers: Response headers. The lookup ignores case in real responses.
        content: The body; empty if it is streamed.
        response: The open response of a streamed call, which the caller has to close.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    response: "requests.Response | None" = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, value: Any, status: int = 200) -> "Reply":
        """Create a reply with `value` as JSON body."""
        headers = {"Content-Type": "application/json"}
        return cls(status, headers, json.dumps(value).encode())

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004 - the class of success statuses

    @cached_property
    def text(self) -> str:
        """The body as text (UTF-8, the encoding of Synapse)."""
        return self.content.decode("utf-8", "replace")

    @cached_property
    def json(self) -> Any:
        """The body parsed as JSON; None if it is empty.

        Raises:
            SynapseError: The body is not valid JSON.
        """
        if not self.content:
            return None
        try:
            return json.loads(self.content)
        except ValueError:
            raise SynapseError(
                f"The response is not JSON ({self.headers.get('Content-Type', 'no type')}, "
                f"{len(self.content)} bytes). Check that the endpoint is a Synapse service."
            ) from None

    @property
    def value(self) -> Any:
        """The body, parsed if its content type is JSON, otherwise as text."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return self.json if kind == "application/json" and self.content else self.text


T = TypeVar("T")
Flow = Generator[Call | Pause, Reply | None, T]


@dataclass(frozen=True)
class Page:
    """One page of a list.

    Args:
        items: Items of this page.
        next_call: Call that fetches the next page; None for the last page.
    """

    items: list[Any]
    next_call: Call | None


PageFetcher = Callable[[Call], Flow[Page]]


def send(call: Call) -> Flow[Reply]:
    """Send one call and return its reply."""
    reply = yield call
    if reply is None:
        raise TypeError("A flow that yields a Call must be sent a Reply, not None.")
    return reply


def with_offset(call: Call, limit: int = 20, offset: int = 0) -> Call:
    """Return the call for a page of `limit` items, starting at item `offset`, counted from 0."""
    return replace(call, params={**(call.params or {}), "limit": limit, "offset": offset})


def fetch_offset_page(call: Call) -> Flow[Page]:
    """Fetch a page of a list that is paged by offset. An empty page is the last one.

    The items are under ``results`` or ``children``.
    """
    reply = yield from send(call)
    items = _items(reply, "results", "children")
    params = call.params or {}
    next_params = {**params, "offset": int(params.get("offset", 0)) + len(items)}
    return Page(items, replace(call, params=next_params) if items else None)


def fetch_token_page(call: Call) -> Flow[Page]:
    """Fetch a page of a list that is paged by ``nextPageToken``.

    The token is sent in the body of a POST, and in the query of other methods.
    """
    reply = yield from send(call)
    items = _items(reply, "page", "results", "children", "list")
    token = (reply.json or {}).get("nextPageToken")
    if token is None:
        return Page(items, None)
    if call.method == "POST":
        return Page(items, replace(call, body={**(call.body or {}), "nextPageToken": token}))
    return Page(items, replace(call, params={**(call.params or {}), "nextPageToken": token}))


def collect_items(call: Call, fetch_page: PageFetcher = fetch_offset_page) -> Flow[list[Any]]:
    """Collect the items of all pages, starting with the page that `call` fetches."""
    items: list[Any] = []
    next_call: Call | None = call
    while next_call is not None:
        page = yield from fetch_page(next_call)
        items += page.items
        next_call = page.next_call
    return items


def advance(
    flow: Flow[T], reply: Reply | None = None, error: BaseException | None = None
) -> Call | Pause:
    """Pass the result of the last step to a flow and return its next step.

    Raises:
        StopIteration: The flow has ended; its `value` is the result.
    """
    return flow.throw(error) if error is not None else flow.send(reply)


def _items(reply: Reply, *keys: str) -> list[Any]:
    body = reply.json or {}
    return next((body[key] for key in keys if body.get(key) is not None), [])

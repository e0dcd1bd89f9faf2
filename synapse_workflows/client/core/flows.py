"""Multi-step requests to Synapse as generators, executed by `Session` and `AsyncSession`.

A flow yields a `Call` (and receives its `Reply`) or a `Pause` (and receives None), and returns its
result. A flow performs no I/O and reads no clock. `Session.run` executes a flow with requests,
`AsyncSession.run` executes it with httpx2, and tests execute it with the generator method `send`.
If a call fails, its error is raised in the flow at the `yield`.
"""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from synapse_workflows.client.errors import SynapseResponseError

if TYPE_CHECKING:
    import requests

#: Consecutive empty pages after which a list counts as endless.
_MAX_EMPTY_PAGES: Final = 100


@dataclass(frozen=True)
class Call:
    """One request to Synapse.

    Args:
        method: ``GET``, ``POST``, ``PUT``, ``DELETE``.
        path: Path below the endpoint (``/entity/syn1``), or an absolute URL.
        endpoint: ``repo``, ``auth``, ``file``, or another base URL.
        params: Query parameters; parameters whose value is None are left out.
        body: Value to serialize as JSON, which may contain datetimes. Text and bytes are sent
            unchanged.
        headers: Headers that replace the default ones.
        repeatable: Whether executing the call twice is harmless. If None, the method decides: GET,
            HEAD, PUT and DELETE are repeatable, POST is not. PUT is repeatable because the body
            contains an etag, so that a second PUT fails with 412.
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
        response: The open response of a streamed call. The caller has to close this response.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = field(default=b"", repr=False)
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

        A missing key of an object raises `SynapseResponseError` instead of KeyError.

        Raises:
            SynapseResponseError: The body is not valid JSON, or nested too deeply.
        """
        if not self.content:
            return None
        try:
            return json.loads(self.content, object_hook=JsonObject)
        except (ValueError, RecursionError) as error:
            problem = "nested too deeply" if isinstance(error, RecursionError) else "not JSON"
            raise SynapseResponseError(
                f"The response is {problem} ({self.headers.get('Content-Type', 'no type')}, "
                f"{len(self.content)} bytes). Check that the endpoint is a Synapse service."
            ) from None

    @property
    def object(self) -> dict[str, Any]:
        """The body parsed as a JSON object.

        Raises:
            SynapseResponseError: The body is empty or not a JSON object.
        """
        found = self.json
        if not isinstance(found, dict):
            raise SynapseResponseError(
                f"The response is {_describe(found)}, but a JSON object was expected. Check that "
                "the endpoint is a Synapse service."
            )
        return found

    @property
    def value(self) -> Any:
        """The body, parsed if its content type is JSON, otherwise as text."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return self.json if kind == "application/json" and self.content else self.text


class JsonObject(dict[str, Any]):
    """JSON object of a response. A missing key raises `SynapseResponseError`."""

    def __missing__(self, key: str) -> Any:
        raise SynapseResponseError(
            f"The response lacks {key!r}; it has {', '.join(map(repr, self)) or 'no properties'}."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


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
    token = (reply.object if reply.content else {}).get("nextPageToken")
    if token is None:
        return Page(items, None)
    if call.method == "POST":
        return Page(items, replace(call, body={**(call.body or {}), "nextPageToken": token}))
    return Page(items, replace(call, params={**(call.params or {}), "nextPageToken": token}))


def collect_items(call: Call, fetch_page: PageFetcher = fetch_offset_page) -> Flow[list[Any]]:
    """Collect the items of all pages, starting with the page that `call` fetches."""
    items: list[Any] = []
    next_call: Call | None = call
    guard = PageGuard()
    while next_call is not None:
        page = yield from fetch_page(next_call)
        guard.check(page)
        items += page.items
        next_call = page.next_call
    return items


class PageGuard:
    """Detects a list of pages that does not end, because the service repeats pages."""

    def __init__(self) -> None:
        self._calls: set[str] = set()
        self._last_items: list[Any] = []
        self._empty_pages = 0

    def check(self, page: Page) -> None:
        """Check the next page of the list.

        Raises:
            SynapseResponseError: The page refers to an earlier page, repeats the items of the
                last page, or is the last of too many consecutive empty pages.
        """
        if page.next_call is None:
            return
        key = repr((page.next_call.params, page.next_call.body))
        self._empty_pages = 0 if page.items else self._empty_pages + 1
        is_repeated = key in self._calls or bool(page.items and page.items == self._last_items)
        if is_repeated or self._empty_pages > _MAX_EMPTY_PAGES:
            raise SynapseResponseError(
                f"{page.next_call}: the list does not end, because Synapse returned the same page "
                "again, or too many empty pages. The items are incomplete."
            )
        self._calls.add(key)
        self._last_items = page.items


def advance(
    flow: Flow[T], reply: Reply | None = None, error: BaseException | None = None
) -> Call | Pause:
    """Pass the result of the last step to a flow and return its next step.

    Raises:
        StopIteration: The flow has ended; its `value` is the result.
    """
    return flow.throw(error) if error is not None else flow.send(reply)


def _items(reply: Reply, *keys: str) -> list[Any]:
    body = reply.object if reply.content else {}
    items: Any = next((body[key] for key in keys if body.get(key) is not None), [])
    if not isinstance(items, list):
        raise SynapseResponseError(
            f"The items of the page are {_describe(items)}, but a list was expected."
        )
    return items


def _describe(value: Any) -> str:
    """Return the JSON type of a value."""
    names = {list: "a list", dict: "an object", str: "a text", type(None): "empty"}
    return names.get(type(value), "a number or boolean")

"""Flows of messages: send a message, and find a message that was sent."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call, Flow, Pause
from synapse_workflows.client.errors import RetryCategory, SynapseError

#: Delays in seconds before the outbox is searched for a message whose response was lost.
_SEARCH_DELAYS: Final = (0.0, 1.0, 3.0)
_PAGE_SIZE: Final = 50
#: Maximum difference between the clocks of the servers that create file handles and messages.
_CLOCK_TOLERANCE: Final = timedelta(minutes=10)


def post_message(
    recipients: Sequence[str], subject: str | None, file_handle_id: str
) -> Flow[dict[str, Any]]:
    """Send a message whose body is uploaded, and return it (MessageToUser).

    The file handle must belong to this message alone: if the response is lost, the message is
    searched in the outbox by its file handle.

    Args:
        recipients: Principal IDs of users and teams.
        subject: Subject; None for a message without a subject.
        file_handle_id: File handle of the body.

    Raises:
        SynapseHTTPError: Synapse refused the message.
        SynapseConnectionError: The response was lost, and the message is not in the outbox.

    Source:
        POST /message, GET /message/outbox
        https://rest-docs.synapse.org/rest/POST/message.html
    """
    call = create_call(recipients, subject, file_handle_id)
    try:
        return (yield from flows.send(call)).object
    except SynapseError as error:
        if error.retry_category is not RetryCategory.UNCERTAIN:
            raise
        sent = yield from _search_sent_message(file_handle_id)
        if sent is None:
            raise
        return sent


def _search_sent_message(file_handle_id: str) -> Flow[dict[str, Any] | None]:
    """Search the outbox several times: Synapse may still be processing the request."""
    for delay in _SEARCH_DELAYS:
        yield Pause(delay)
        try:
            sent = yield from find_sent_message(file_handle_id)
        except SynapseError:
            return None
        if sent is not None:
            return sent
    return None


def create_call(recipients: Sequence[str], subject: str | None, file_handle_id: str) -> Call:
    """Return the request that sends a message."""
    body = {"recipients": recipients, "subject": subject, "fileHandleId": file_handle_id}
    return Call("POST", "/message", body=body)


def find_sent_message(file_handle_id: str) -> Flow[dict[str, Any] | None]:
    """Return the message with a file handle from the caller's outbox; None if there is none.

    Only messages that are not older than the file handle are read.

    Args:
        file_handle_id: File handle of the body.

    Source:
        GET /fileHandle/{id} of the file service, GET /message/outbox
    """
    handle = (yield from flows.send(Call("GET", f"/fileHandle/{file_handle_id}", "file"))).object
    oldest = datetime.fromisoformat(handle["createdOn"]) - _CLOCK_TOLERANCE
    params = {"orderBy": "SEND_DATE", "descending": True}
    call: Call | None = flows.with_offset(
        Call("GET", "/message/outbox", params=params), _PAGE_SIZE
    )
    guard = flows.PageGuard()
    while call is not None:
        page = yield from flows.fetch_offset_page(call)
        guard.check(page)
        for message in page.items:
            if message["fileHandleId"] == file_handle_id:
                return dict(message)
            if datetime.fromisoformat(message["createdOn"]) < oldest:
                return None
        call = page.next_call
    return None

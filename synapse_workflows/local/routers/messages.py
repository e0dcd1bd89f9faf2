"""Routes of messages (repo/v1)."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from synapse_workflows.local.domain import messages, paging, request_fields
from synapse_workflows.local.domain.messages import MessageOrder, MessageStatus
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import PathNumber
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    empty_response,
)

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@dataclass(frozen=True)
class MessageSort:
    """Query parameters of a list of messages: the sort order and the page."""

    order: MessageOrder
    descending: bool
    page: Page


async def parse_sort(
    order_by: Annotated[str, Query(alias="orderBy")] = MessageOrder.SEND_DATE.value,
    descending: bool = True,
    limit: int = 10,
    offset: int = 0,
) -> MessageSort:
    """Parse the query parameters of a list of messages.

    Raises:
        BadRequest: The sort key is unknown, or the limit or the offset is out of range.
    """
    order = request_fields.parse_enum(MessageOrder, order_by, "orderBy")
    return MessageSort(order, descending, paging.parse_page(limit, offset))


SortParameters = Annotated[MessageSort, Depends(parse_sort)]


@router.post("/message")
def send_message(request: JsonRequest) -> Response:
    """Send a message to users and teams.

    Source: POST /message
    """
    with request.write_transaction("view", "modify") as tx:
        limits = tx.service.settings.throttle
        sent = messages.send(tx.session, tx.caller, request.json_object(), limits)
        return created_response(sent)


@router.get("/message/inbox")
def list_inbox(
    request: JsonRequest,
    sort: SortParameters,
    inbox_filter: Annotated[str, Query(alias="inboxFilter")] = MessageStatus.UNREAD.value,
) -> Response:
    """List the received messages with the given statuses, newest first by default.

    Source: GET /message/inbox
    """
    statuses = [
        request_fields.parse_enum(MessageStatus, each.strip(), "inboxFilter")
        for each in inbox_filter.split(",")
    ]
    with request.read_transaction("view") as tx:
        found = messages.list_inbox(
            tx.session, tx.caller, statuses, sort.order, sort.page, descending=sort.descending
        )
    return ApiResponse(paging.build_results(found, sort.page))


@router.get("/message/outbox")
def list_outbox(request: JsonRequest, sort: SortParameters) -> Response:
    """List the sent messages, newest first by default.

    Source: GET /message/outbox
    """
    with request.read_transaction("view") as tx:
        found = messages.list_outbox(
            tx.session, tx.caller, sort.order, sort.page, descending=sort.descending
        )
    return ApiResponse(paging.build_results(found, sort.page))


@router.put("/message/status")
def update_status(request: JsonRequest) -> Response:
    """Set the status of a received message.

    Source: PUT /message/status
    """
    with request.write_transaction("view", "modify") as tx:
        messages.update_status(tx.session, tx.caller, request.json_object())
    return empty_response()


@router.get("/message/{message_id}")
def get_message(request: JsonRequest, message_id: PathNumber) -> Response:
    """Return a message that the caller sent or received.

    Source: GET /message/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(messages.serialize(messages.require(tx.session, tx.caller, message_id)))

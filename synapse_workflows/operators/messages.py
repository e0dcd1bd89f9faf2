"""Operator that sends a message to Synapse users and teams."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from synapse_workflows.idempotency.message_sender import (
    MessageContentType,
    OutgoingMessage,
    SynapseMessage,
    send_from_operator,
)
from synapse_workflows.idempotency.task_state import TaskState
from synapse_workflows.operator_arguments import check_choice
from synapse_workflows.operators.base import SynapseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseMessageOperator(SynapseOperator):
    """Send a message to Synapse users and teams. Synapse also sends it to them as e-mail.

    A retry does not send the message again, even if the worker stopped before the response
    arrived. A task that has succeeded and is cleared sends the message again.

    Returns the sent message (`SynapseMessage`): its `id`, `recipients`, `subject` and
    `created_on`.

    Args:
        to: A user name, a team name or a principal ID, for example `alice`, `user:alice`,
            `team:My Team`, `team:3600443` or 3300001; or a list of these, of which duplicates are
            removed. A text may list several, separated by commas (templated).
        subject: Subject of the message; None for none (templated).
        body: Text of the message (templated).
        content_type: `text/plain` or `text/html`.
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: Unknown `content_type`.
    """

    template_fields: Sequence[str] = ("to", "subject", "body", *SynapseOperator.template_fields)
    data_fields: ClassVar[Sequence[str] | None] = ("subject", "body")
    template_fields_renderers = {"to": "json"}  # noqa: RUF012 - as Airflow declares it

    def __init__(
        self,
        *,
        to: Any,
        body: str,
        subject: str | None = None,
        content_type: MessageContentType = "text/plain",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice(content_type, "content_type", MessageContentType)
        self.to = to
        self.subject = subject
        self.body = body
        self.content_type: MessageContentType = content_type

    def execute(self, context: "Context") -> SynapseMessage:
        """Send the message."""
        message = OutgoingMessage.parse(self.to, self.subject, self.body, self.content_type)
        sent = send_from_operator(self.hook.client, message, TaskState.from_context(context))
        self.entity_url = self.hook.get_principal_url(sent["recipients"][0])
        self.push_items(context, sent)
        return sent

"""Notifier that reports the outcome of tasks and DAG runs by Synapse messages."""

import asyncio
import copy
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

from airflow.sdk import BaseNotifier, Context
from airflow.sdk._shared.secrets_masker import redact as mask_secrets

from synapse_workflows.client.core import message_flow
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.recipients import resolve_recipients
from synapse_workflows.client.core.redaction import redact, redact_text
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.hooks.connection import ClientSettings
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.idempotency.message_sender import MessageContentType, OutgoingMessage
from synapse_workflows.notification_text import describe_event
from synapse_workflows.operator_arguments import check_choice, parse_seconds

#: Default time limit in seconds. It is shorter than `[core] task_success_overtime`.
_TIMEOUT: Final = 15.0
#: Seconds after the time limit in which the event loop can stop.
_GRACE: Final = 2.0


class SynapseNotifier(BaseNotifier):
    """Notify Synapse users and teams about a task or a DAG run. Synapse also sends e-mails.

    Usable as `on_failure_callback`, `on_success_callback`, `on_retry_callback` and
    `on_skipped_callback` of tasks, as callback of a DAG, and in a deadline alert:

        DeadlineAlert(..., callback=AsyncCallback(SynapseNotifier, kwargs={"to": "team:3600443"}))

    A notification that fails, for example because Synapse is not available, writes one line to
    the log. It never raises an error, and ends after `timeout`. Notifications record no lineage.
    Tokens and the values that Airflow masks in logs are removed from subject and body.

    Templates have Airflow's context: `ti`, `dag`, `dag_run`, `exception` (None unless a task
    failed) and `reason` (None except for callbacks of a DAG). In a deadline alert, only `dag_run`
    and `deadline` are available.

    Args:
        to: A user name, a team name or a principal ID, for example `alice`, `user:alice`,
            `team:My Team`, `team:3600443` or 3300001; or a list of these (templated).
        subject: Subject; None for the task and its outcome (templated).
        body: Text; None for the task, run, try number, exception and a link to the log
            (templated).
        content_type: `text/plain` or `text/html`, the type of `body`; the default text is plain.
        synapse_conn_id: The Airflow connection of the sender (templated).
        timeout: Maximum time of a notification in seconds.
        context: Set by Airflow in deadline alerts.

    Raises:
        ValueError: Unknown `content_type`, or an invalid `timeout`.
    """

    template_fields: Sequence[str] = ("to", "subject", "body", "synapse_conn_id")

    def __init__(
        self,
        *,
        to: Any,
        subject: str | None = None,
        body: str | None = None,
        content_type: MessageContentType = "text/plain",
        synapse_conn_id: str = SynapseHook.default_conn_name,
        timeout: float = _TIMEOUT,
        context: Context | None = None,
    ) -> None:
        check_choice(content_type, "content_type", MessageContentType)
        self.to = to
        self.subject = subject
        self.body = body
        self.content_type: MessageContentType = content_type
        self.synapse_conn_id = synapse_conn_id
        self.timeout = parse_seconds(timeout, "timeout")
        super().__init__(context)

    def __call__(self, *args: Any) -> None:
        """Notify with the context of a callback. Airflow calls this method."""
        self.notify(args[0] if len(args) == 1 else {})

    def __await__(self) -> Any:
        """Notify with the context of a deadline alert. Airflow calls this method."""
        return self.async_notify(self.context).__await__()

    def notify(self, context: Context) -> None:
        """Render the templates and send the message. Never raises an error."""
        with self._log_error():
            rendered = self._render_fields(context)
            hook = rendered._hook()  # noqa: SLF001 - another object of this class
            settings = hook.settings()
            message = rendered._build_message(context, settings)  # noqa: SLF001
            _run_in_thread(self._send(hook, settings, message), self.timeout + _GRACE)

    async def async_notify(self, context: Context) -> None:
        """Render the templates and send the message. Never raises an error."""
        with self._log_error():
            rendered = self._render_fields(context)
            hook = rendered._hook()  # noqa: SLF001 - another object of this class
            settings = await hook.async_settings()
            message = rendered._build_message(context, settings)  # noqa: SLF001
            await self._send(hook, settings, message)

    @contextmanager
    def _log_error(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a notification never fails a task
            reason = str(error) or f"no response within {self.timeout:g} s"
            text = " ".join(f"{type(error).__name__}: {reason}".split())
            self.log.error(  # noqa: TRY400 - one line, without a traceback
                "The Synapse message to %r was not sent: %s", self.to, redact_text(text)
            )

    def _render_fields(self, context: Mapping[str, Any]) -> "SynapseNotifier":
        """Return a copy with rendered fields: Airflow may use a notifier for several tasks."""
        rendered = copy.copy(self)
        values: Any = {"exception": None, "reason": None, **context}
        dag = values.get("dag")
        # DAG.test() passes a serialized DAG, which has no template environment.
        environment = self.get_template_env(dag if hasattr(dag, "get_template_env") else None)
        rendered.render_template_fields(values, environment)
        return rendered

    def _hook(self) -> SynapseHook:
        return SynapseHook(self.synapse_conn_id, lineage_mode="off")

    def _build_message(
        self, context: Mapping[str, Any], settings: ClientSettings
    ) -> OutgoingMessage:
        default_subject, default_body = describe_event(context)
        subject = default_subject if self.subject is None else str(self.subject)
        body, content_type = self.body, self.content_type
        if body is None:
            body, content_type = default_body, "text/plain"
        subject, body = (_redact(str(text), context, settings) for text in (subject, body))
        return OutgoingMessage.parse(self.to, " ".join(subject.split()), body, content_type)

    async def _send(
        self, hook: SynapseHook, settings: ClientSettings, message: OutgoingMessage
    ) -> None:
        retry = RetryPolicy(attempts=4, total=self.timeout / 2, wait=0.5, max_wait=2.0)
        timeouts = (self.timeout / 3, self.timeout / 3)
        async with (
            asyncio.timeout(self.timeout),
            await hook.create_async_session(settings, retry=retry, timeout=timeouts) as session,
        ):
            sent = await _send_message(session, message)
        self.log.info("Sent the Synapse message %s to %r", sent["id"], self.to)


async def _send_message(session: AsyncSession, message: OutgoingMessage) -> dict[str, Any]:
    recipients = await session.run(resolve_recipients(message.recipients))
    handle_id = await session.run(message.upload())
    return await session.run(message_flow.post_message(recipients, message.subject, handle_id))


def _redact(text: str, context: Mapping[str, Any], settings: ClientSettings) -> str:
    """Remove tokens, masked values, and the secrets of URLs in the text of the exception."""
    exception = str(context.get("exception") or "")
    if exception:
        text = text.replace(exception, redact_text(exception))
    return redact(str(mask_secrets(text)), filter(None, (settings.token, settings.api_key)))


def _run_in_thread(coroutine: Any, timeout: float) -> None:
    """Run a coroutine in an event loop of its own thread, at most `timeout` seconds.

    The calling thread may have a running event loop. A thread that is still running, for example
    because the name of the host cannot be resolved, is left to the end of the process.

    Raises:
        TimeoutError: The coroutine did not end in time.
    """
    result: Future[None] = Future()

    def run() -> None:
        try:
            result.set_result(asyncio.run(coroutine))
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            result.set_exception(error)

    threading.Thread(target=run, name="synapse-notifier", daemon=True).start()
    result.result(timeout)

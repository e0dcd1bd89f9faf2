"""Reports of hooks that do not report to Airflow's hook lineage collector themselves.

The classes of other providers are wrapped when a task imports their module, so a task that does
not use them costs nothing.

| class | reported |
|---|---|
| `HttpHook`, `HttpAsyncHook` | the URL: `GET` and `POST` as read, `PUT` and `PATCH` as written |
| sessions of AWS hooks, also of `ObjectStoragePath` | objects in S3 that are read and written |
| operators of Docker and Kubernetes | the image of the container, see `container_images` |
| `ObjectStoragePath` | files that are read and written; Airflow reports only some methods |
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import wrapt
from airflow.sdk import Asset, get_current_context
from airflow.sdk.lineage import get_hook_lineage_collector

from synapse_workflows.assets import SCHEME
from synapse_workflows.client.core.redaction import redact_endpoint, redact_url
from synapse_workflows.lineage.hook_lineage import add_recorder, discard_output
from synapse_workflows.lineage.lineage_mode import is_suspended
from synapse_workflows.lineage.s3_access import S3AccessRecorder

_log: Final = logging.getLogger(__name__)
#: Methods of requests whose response is an input.
READ_METHODS: Final = frozenset({"GET", "POST"})
_HTTP_PROVIDER: Final = "airflow.providers.http."
_WRITES: Final = frozenset({"PUT", "PATCH"})


def instrument_hooks() -> None:
    """Wrap the classes of other providers, now or when their modules are imported."""
    wrapt.register_post_import_hook(_instrument_http, "airflow.providers.http.hooks.http")
    wrapt.register_post_import_hook(_instrument_aws, "airflow.providers.amazon.aws.hooks.base_aws")


def _wrap(module: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Wrap a method, if the installed version of the provider has it."""
    try:
        wrapt.wrap_function_wrapper(module, name, wrapper)
    except AttributeError:
        _log.debug("%s.%s does not exist, so it reports no lineage", module.__name__, name)


def _instrument_http(module: Any) -> None:
    _wrap(module, "HttpHook.run_and_check", _report_response)
    _wrap(module, "HttpAsyncHook.run", _report_async_response)


def _report_response(wrapped: Any, hook: Any, args: Any, kwargs: Any) -> Any:
    response = wrapped(*args, **kwargs)
    request = getattr(_get_first(response), "request", None)
    _report_request(hook, request, getattr(response, "status_code", None))
    return response


async def _report_async_response(wrapped: Any, hook: Any, args: Any, kwargs: Any) -> Any:
    response = await wrapped(*args, **kwargs)
    request = getattr(_get_first(response), "request_info", None)
    _report_request(hook, request, getattr(response, "status", None))
    return response


def _get_first(response: Any) -> Any:
    """Return the first response of a request that was redirected, for example to signed URLs."""
    return next(iter(getattr(response, "history", None) or ()), response)


def _report_request(hook: Any, request: Any, status: int | None) -> None:
    method, url = getattr(request, "method", None), getattr(request, "url", None)
    module = type(hook).__module__
    if module.startswith("airflow.providers.") and not module.startswith(_HTTP_PROVIDER):
        return  # hooks of services, for example of chats, whose messages are no data
    if status is not None and status < HTTPStatus.BAD_REQUEST and url:
        if method in READ_METHODS:
            _report(hook, redact_request(method, str(url)), is_output=False)
        elif method in _WRITES:
            _report(hook, redact_request(method, str(url)), is_output=True)


def redact_request(method: str, url: str) -> str:
    """Return the URL of a request, without what may be a secret."""
    return redact_url(url) if method == "GET" else redact_endpoint(url)


def _instrument_aws(module: Any) -> None:
    _wrap(module, "BaseSessionFactory.create_session", _record_session)


def _record_session(wrapped: Any, _factory: Any, args: Any, kwargs: Any) -> Any:
    session = wrapped(*args, **kwargs)
    events = getattr(session, "events", None)  # of boto3
    if events is None and hasattr(session, "get_component"):
        events = session.get_component("event_emitter")  # of aiobotocore
    if events is not None:
        _get_s3_recorder().register(events)
    return session


@cache
def _get_s3_recorder() -> S3AccessRecorder:
    recorder = S3AccessRecorder()
    add_recorder(recorder)
    return recorder


def call_path_method(
    name: str, method: Callable[..., Any], path: Any, args: Any, kwargs: Any
) -> Any:
    """Call a method of `ObjectStoragePath`, and report what it reads or writes.

    Args:
        name: Name of the method.
        method: The method.
        path: The path.
        args: Further arguments.
        kwargs: Arguments with names.
    """
    result = method(path, *args, **kwargs)
    if name == "unlink":
        with suppress(ValueError):  # a URL that is too long for an asset
            discard_output(Asset(uri=str(path)).uri)
        return result
    is_output, is_input = name.startswith("write"), name.startswith("read")
    if name == "open":
        mode = str(kwargs.get("mode", args[0] if args else "r"))
        is_output = any(letter in mode for letter in "wax")
        is_input = not is_output or "+" in mode
        is_output = is_output or "+" in mode
    for flag in [False] * is_input + [True] * is_output:
        _report(path, str(path), is_output=flag)
    return result


def _report(context: Any, url: str, *, is_output: bool) -> None:
    """Report a URL to Airflow's collector, if a task runs in this process."""
    if url.startswith(f"{SCHEME}:"):
        return  # the client records entities, and Airflow collects a limited number of objects
    if is_suspended():
        return
    try:
        get_current_context()
        collector: Any = get_hook_lineage_collector()
        add = collector.add_output_asset if is_output else collector.add_input_asset
        add(context=context, uri=url)
    except RuntimeError:  # no task, for example in the triggerer
        return
    except Exception as error:  # noqa: BLE001 - lineage does not fail a request that succeeded
        _log.debug("Not recorded: %s (%s)", redact_url(url), error)

"""Descriptions of AWS services that the sessions of a process parse once, and not once each.

Each session of botocore parses several megabytes of JSON for its first client, which takes longer
than everything else that the creation of a client needs.
"""

from functools import cache
from typing import Any, TypeVar

from botocore.loaders import JSONFileLoader, create_loader
from botocore.session import Session

AnySession = TypeVar("AnySession", bound=Session)


class _FileLoader(JSONFileLoader):  # type: ignore[misc]
    """Loader of JSON files that keeps their content."""

    @cache  # noqa: B019 - there is one loader, which exists as long as the process
    def load_file(self, file_path: str) -> Any:
        return super().load_file(file_path)


_FILES = _FileLoader()


def share_service_data(session: AnySession) -> AnySession:
    """Make a new session of botocore or aiobotocore use the files that other sessions parsed.

    Returns:
        The same session.
    """

    def create() -> Any:
        loader = create_loader(session.get_config_variable("data_path"))
        loader.file_loader = _FILES
        return loader

    session.lazy_register_component("data_loader", create)
    return session

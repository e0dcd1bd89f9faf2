"""Content of wiki pages: Markdown, attached files and cited sources."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.transfer.upload_source import UploadSource
from synapse_workflows.hooks.file_references import local_path
from synapse_workflows.idempotency.local_files import LocalFile, as_local_file, flatten
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.declared_provenance import create_declared
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.source_versions import SourceVersions
from synapse_workflows.operator_arguments import InvalidArgumentError
from synapse_workflows.provenance.record import EntityRef, Origin, Record, Ref, UrlRef

#: Code, or an image of standard Markdown: `![text](target "title")`, `![text](<target>)`.
_CODE: Final = (
    r"(?ms:^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)|\Z))"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?:[^\n]|\n(?![ \t]*\n))+?(?<!`)(?P=ticks)(?!`)"
)
_IMAGE: Final = re.compile(
    rf"{_CODE}|!\[(?P<text>[^\[\]\n]*)\]\(\s*"
    r"(?:<(?P<quoted>[^<>\n]+)>|(?P<target>(?:[^()\s<]|\([^()\s]*\))+))"
    r"""(?:\s+(?:"[^"\n]*"|'[^'\n]*'|\([^()\n]*\)))?\s*\)"""
)
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|])")

#: Characters of URLs that need no escape in a link of Markdown.
_URL_CHARACTERS: Final = ":/?#[]@!$&'*+,;=%~"


@contextmanager
def as_local_files(paths: Any, client: LineageClient) -> Iterator[dict[str, Path]]:
    """Provide the attachments of a page as local files, by their names on the page.

    Args:
        paths: A path, a URL, an `ObjectStoragePath`, a reference, or a list of these; None for no
            files.
        client: The client whose lineage mode determines whether URLs count as read.

    Raises:
        AirflowFailException: A value has another type, or two files have the same name.
        SynapseFileNotFoundError: A file does not exist.
        ValueError: A file is empty, or its name is invalid.
    """
    with ExitStack() as stack:
        given = [] if paths is None else flatten(paths)
        files = [
            stack.enter_context(as_local_file(one, local_path, "attachments")) for one in given
        ]
        names = [file.stored_name or file.path.name for file in files]
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise InvalidArgumentError(
                f"Invalid attachments: several files have the name {repeated[0]!r}, but a wiki "
                "page keeps one file of a name. Rename the files."
            )
        for name, file in zip(names, files, strict=True):
            UploadSource.of(file.path, name)
            _record_read(file, client)
        yield {name: file.path for name, file in zip(names, files, strict=True)}


def read_markdown(path: Any, client: LineageClient) -> str:
    """Read a Markdown file in UTF-8, without changing its line ends.

    Args:
        path: A path, a URL, an `ObjectStoragePath`, or a reference.
        client: The client whose lineage mode determines whether URLs count as read.

    Raises:
        AirflowFailException: The file is not UTF-8, or the value has another type.
        SynapseFileNotFoundError: The file does not exist.
    """
    with as_local_file(path, local_path, "markdown_path") as file:
        _record_read(file, client)
        try:
            return file.path.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise AirflowFailException(
                f"Invalid markdown_path: {file.path.name} is not a text in UTF-8: {error}"
            ) from error


def _record_read(file: LocalFile, client: LineageClient) -> None:
    collector = current_collector()
    if collector and file.url and client.lineage_mode.is_automatic:
        collector.add(Record.from_refs(Origin.READ, used=[UrlRef(file.url)]))


def link_images(markdown: str, names: Iterable[str]) -> str:
    """Convert images of standard Markdown to images of Synapse, if they are attached.

    Synapse shows an attachment with `${image?fileName=plot.png}`, not with `![plot](plot.png)`.
    Code is not changed.

    Args:
        markdown: The text.
        names: File names of the attachments.
    """
    known = set(names)

    def convert(match: re.Match[str]) -> str:
        name = unquote(match["quoted"] or match["target"] or "").removeprefix("./")
        if name not in known:
            return match[0]
        text = quote(match["text"], safe="")
        return f"${{image?fileName={quote(name, safe='')}&altText={text}}}"

    return _IMAGE.sub(convert, markdown)


def collect_sources(client: LineageClient, used: Any, executed: Any) -> Record:
    """Return the sources of the running task, and the declared ones, in their current versions.

    Args:
        client: The client of the task.
        used: Additional inputs, in any form that the client's Activity accepts.
        executed: Additional code.

    Raises:
        SynapseNotFoundError: A declared source does not exist.
    """
    versions = SourceVersions(client)
    declared = create_declared(None, used, executed, None, None)
    collector = current_collector()
    if collector is None:
        return versions.pin(declared.record)
    collector.add(declared.record)
    return versions.pin(collector.collect_sources(client, declared) or Record())


def format_sources(record: Record, portal_url: str) -> str:
    """Return a section of Markdown that lists the inputs and the code; empty without any.

    Args:
        record: The sources.
        portal_url: URL of the Synapse portal.
    """
    lists = {"Sources": record.inputs(), "Code": record.executed()}
    return "".join(
        f"\n\n## {heading}\n\n{_format_list(refs, portal_url)}"
        for heading, refs in lists.items()
        if refs
    )


def _format_list(refs: Sequence[Ref], portal_url: str) -> str:
    return "\n".join(f"- {_format_ref(ref, portal_url)}" for ref in refs)


def _format_ref(ref: Ref, portal_url: str) -> str:
    if isinstance(ref, EntityRef):
        return f"[{ref}]({portal_url.rstrip('/')}/Synapse:{ref})"
    text = _SPECIAL.sub(r"\\\1", " ".join(str(ref).split()))
    if not ref.url.startswith(("https://", "http://")):
        return text
    return f"[{text}]({quote(ref.url, safe=_URL_CHARACTERS)})"

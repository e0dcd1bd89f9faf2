"""Operator that writes a wiki page, such as the report of a run."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from jinja2 import TemplateNotFound

from synapse_workflows.client.model.wikis import get_page_url
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.hooks.wiki_content import (
    as_local_files,
    collect_sources,
    format_sources,
    link_images,
    read_markdown,
)
from synapse_workflows.idempotency.task_state import TaskState
from synapse_workflows.idempotency.wiki_pages import (
    SynapseWikiPage,
    WikiContent,
    WikiLocation,
    store_page,
)
from synapse_workflows.lineage.wiki_pages import record_wiki_page
from synapse_workflows.operator_arguments import (
    InvalidArgumentError,
    check_flags,
    check_provenance,
    optional_text,
    require_text,
)
from synapse_workflows.operators.base import SynapseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseWikiOperator(SynapseOperator):
    """Write a page of the wiki of an entity, for example the report of a run.

    The page is created unless it exists. Without `title` it is the root page, otherwise a sub-page
    that is selected by its title. A page whose Markdown and attachments are unchanged gets no new
    version. A retry creates neither a second page nor a second version, even if the worker stopped
    before the response arrived; several tasks can write pages of one wiki at the same time.

    A wiki page has no Activity. Instead, the page ends with the lists "Sources" and "Code", with
    the same content as the Activity of a file that the task would store: the versions that this
    task and the upstream tasks have read, and their code. Returns a `SynapseWikiPage`.

    Args:
        entity_id: The project, folder or other entity that the wiki belongs to (templated).
        markdown: The text, or the path of a template file with the extension `.md`, relative to
            the DAG file or to `template_searchpath` (templated).
        markdown_path: A file with the text, instead of `markdown`, which is not a template: a
            local path, the URL of an object, an `ObjectStoragePath`, or a reference (templated).
        title: Title of a sub-page, for example `Report {{ ds }}`; None for the root page
            (templated).
        parent_title: Title of the page above the sub-page, which must exist; None for the root
            page (templated).
        attachments: Files to attach, in any form that `SynapseStoreOperator` accepts as `path`. An
            attached image is shown where the text has `![Curve](curve.png)` or
            `${image?fileName=curve.png}` (templated).
        keep_attachments: Whether to keep attachments of the page that have other names.
        cite_sources: Whether the page ends with the lists of sources and code.
        used: Additional inputs, in any form that the client's Activity accepts (templated).
        executed: Additional code that was executed (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: Not exactly one of `markdown` and `markdown_path` is given, or another argument
            is invalid.
    """

    template_fields: Sequence[str] = (
        "entity_id",
        "markdown",
        "markdown_path",
        "title",
        "parent_title",
        "attachments",
        "used",
        "executed",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = (
        "markdown",
        "markdown_path",
        "attachments",
        "used",
        "executed",
    )
    template_ext: Sequence[str] = (".md",)
    template_fields_renderers = {  # noqa: RUF012 - as Airflow declares it
        "markdown": "md",
        "attachments": "json",
        "used": "json",
        "executed": "json",
    }

    def __init__(
        self,
        *,
        entity_id: Any,
        markdown: str | None = None,
        markdown_path: Any = None,
        title: str | None = None,
        parent_title: str | None = None,
        attachments: Any = None,
        keep_attachments: bool = True,
        cite_sources: bool = True,
        used: Any = None,
        executed: Any = None,
        **kwargs: Any,
    ) -> None:
        check_flags(keep_attachments=keep_attachments, cite_sources=cite_sources)
        if (markdown is None) == (markdown_path is None):
            raise InvalidArgumentError("Pass either markdown or markdown_path")
        if parent_title is not None and title is None:
            raise InvalidArgumentError(
                f"parent_title={parent_title!r} requires title: the root page has no parent"
            )
        super().__init__(**kwargs)
        self.entity_id = entity_id
        self.markdown = markdown
        self.markdown_path = markdown_path
        self.title = title
        self.parent_title = parent_title
        self.attachments = attachments
        self.keep_attachments = keep_attachments
        self.cite_sources = cite_sources
        self.used = used
        self.executed = executed

    def resolve_template_files(self) -> None:
        """Load the template file of `markdown`; other arguments are no template files."""
        path, environment = self.markdown, self.get_template_env()
        if path is not None and _is_template_path(path) and environment.loader is not None:
            with suppress(TemplateNotFound):  # the task fails, not the DAG: see render_template
                self.markdown = environment.loader.get_source(environment, path)[0]
        self.prepare_template()

    def render_template(self, content: Any, *args: Any, **kwargs: Any) -> Any:
        """Render a template. Only `markdown` may be the path of a template file.

        Args:
            content: The template, or a collection of templates.
            args: Further arguments of `BaseOperator.render_template`.
            kwargs: Further arguments of `BaseOperator.render_template`.

        Raises:
            InvalidArgumentError: A template file was not found.
        """
        is_path = content == self.markdown and _is_template_path(content)
        if isinstance(content, str) and content.endswith(".md") and not is_path:
            content += "{# no template file #}"
        try:
            return super().render_template(content, *args, **kwargs)
        except TemplateNotFound as error:
            raise InvalidArgumentError(
                f"Invalid markdown: the template file was not found: {error}. Pass a path "
                "relative to the DAG file, or set template_searchpath of the DAG; to store the "
                "content of a file unchanged, pass markdown_path"
            ) from error

    def execute(self, context: "Context") -> SynapseWikiPage:
        """Write the page."""
        entity_id = parse_unversioned_id(self.entity_id, "entity_id")
        location = WikiLocation(
            entity_id,
            optional_text(self.title, "title", allow_empty=False),
            optional_text(self.parent_title, "parent_title", allow_empty=False),
        )
        check_provenance(self.used, self.executed, None)
        client = self.hook.client
        with self.entity_link(entity_id), as_local_files(self.attachments, client) as files:
            markdown = link_images(self._get_markdown(), files)
            if self.cite_sources:
                sources = collect_sources(client, self.used, self.executed)
                markdown = markdown.rstrip() + format_sources(sources, client.portalEndpoint)
            content = WikiContent(markdown, files, self.keep_attachments)
            page = store_page(client, location, content, TaskState.from_context(context))
            names = [each.fileName for each in client.getWikiAttachments(page)]
        self.entity_url = get_page_url(page, client.portalEndpoint)
        record_wiki_page(client, page)
        result: SynapseWikiPage = {
            "entity_id": entity_id,
            "wiki_id": page.id,
            "title": page.get("title"),
            "url": self.entity_url,
            "attachments": names,
        }
        self.set_map_index_name(context, result["title"] or entity_id)
        self.push_items(context, result)
        return result

    def _get_markdown(self) -> str:
        if self.markdown_path is not None:
            return read_markdown(self.markdown_path, self.hook.client)
        return require_text(self.markdown, "markdown")


def _is_template_path(markdown: Any) -> bool:
    """Return whether `markdown` is the path of a template file, and not the text itself."""
    return isinstance(markdown, str) and markdown.endswith(".md") and "\n" not in markdown

"""Stored wiki pages as outputs of the running task. A page has no Activity: it is a URL."""

from synapse_workflows.client.model.wikis import Wiki, get_page_name, get_page_url
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.event_records import EventSource
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.provenance.record import Record, UrlRef


def record_wiki_page(client: EventSource, page: Wiki) -> None:
    """Record a stored page as an output of the running task, unless lineage is off."""
    collector = current_collector()
    if collector is not None and client.lineage_mode is not LineageMode.OFF:
        url = get_page_url(page, client.portalEndpoint)
        collector.add(Record.from_stored(UrlRef(url, get_page_name(page))))


def discard_wiki_page(client: EventSource, page: Wiki) -> None:
    """Ignore that the running task has stored a page, because it has deleted the page again."""
    collector = current_collector()
    if collector is not None:
        collector.discard_url(get_page_url(page, client.portalEndpoint))

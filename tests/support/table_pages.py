"""Pages of query results as JSON of the REST API."""

from datetime import UTC, datetime

HEADERS = [
    {"id": "7", "columnType": "INTEGER", "name": "n"},
    {"id": "8", "columnType": "DATE", "name": "when"},
]
NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)
NOON_MS = "1577880000000"


def page(*rows, token=None):
    """Return a QueryResult with rows and, optionally, a token of the next page."""
    rowset = {"tableId": "syn5", "etag": "e", "headers": HEADERS, "rows": list(rows)}
    return {"queryResults": rowset} | ({"nextPageToken": token} if token else {})


def row(number, etag=None):
    """Return a row with an integer and a date."""
    fields = {"rowId": number, "versionNumber": 2, "values": [str(number), NOON_MS]}
    return fields | ({"etag": etag} if etag else {})

"""Tables and views."""

from support.route_case import Case
from support.table_api import M

COLUMN = {"name": "{new_name}", "columnType": "STRING"}
COLUMNS = {"concreteType": f"{M}.ColumnModel", "list": [COLUMN]}
SCOPE = {
    "concreteType": f"{M}.ViewColumnModelRequest",
    "viewScope": {"scope": ["{project}"], "viewEntityType": "entityview", "viewTypeMask": 1},
}
CHANGES = {
    "concreteType": f"{M}.TableUpdateTransactionRequest",
    "entityId": "{table}",
    "changes": [],
    "createSnapshot": True,
}
QUERY = {
    "concreteType": f"{M}.QueryBundleRequest",
    "entityId": "{table}",
    "query": {"sql": "select * from {table}"},
}
CSV = {
    "concreteType": f"{M}.DownloadFromTableRequest",
    "entityId": "{table}",
    "sql": "select * from {table}",
}
UPLOAD = {
    "concreteType": f"{M}.UploadToTableRequest",
    "tableId": "{table}",
    "uploadFileHandleId": "{csv_handle}",
}
PREVIEW = {
    "concreteType": f"{M}.UploadToTablePreviewRequest",
    "uploadFileHandleId": "{csv_handle}",
}
CELL = "/entity/{cell_table}/table/column/{cell_column}/row/1/version/1/file"

CASES = [
    Case("POST /column", 201, body=COLUMN),
    Case("POST /column", 400, "reserved name", COLUMN | {"name": "ROW_ID"}),
    Case(
        "POST /column",
        400,
        "size",
        COLUMN | {"maximumSize": 1001},
        reason="ColumnModel.maxSize for a STRING cannot exceed: 1000",
    ),
    Case("POST /column", 400, "type", COLUMN | {"columnType": "TEXT"}),
    Case("POST /column/batch", 201, body=COLUMNS),
    Case("GET /column/{column}", 200),
    Case("GET /column/999999", 404, "unknown"),
    Case("GET /column", 200),
    Case("GET /column?limit=0", 400, "limit", reason="limit"),
    Case("GET /entity/{table}/column", 200),
    Case("GET /entity/{shared_table}/column", 429, "7 in a minute", user="busy_reader"),
    Case("GET /column/tableview/defaults?viewEntityType=entityview&viewTypeMask=1", 200),
    Case("GET /column/tableview/defaults/file", 200),
    Case("GET /column/tableview/defaults/folder", 400, "view type"),
    Case("POST /column/view/scope/async/start", 201, body=SCOPE),
    Case("GET /column/view/scope/async/get/{scope_job}", 201),
    Case("GET /column/view/scope/async/get/{new_scope_job}", 202),
    Case("POST /entity/{table}/table/transaction/async/start", 201, body=CHANGES),
    Case("GET /entity/{table}/table/transaction/async/get/{snapshot_job}", 201),
    Case("GET /entity/{table}/table/transaction/async/get/{new_snapshot_job}", 202),
    Case(
        "GET /entity/{table}/table/transaction/async/get/{empty_change_job}",
        400,
        "neither change nor snapshot",
    ),
    Case(
        "GET /entity/{view}/table/transaction/async/get/{mixed_view_job}",
        400,
        "change and snapshot of a view",
    ),
    Case(
        "GET /entity/{table}/table/transaction/async/get/{conflict_job}",
        412,
        "row that has changed",
    ),
    Case(
        "GET /entity/{table}/table/transaction/async/get/{taken_label_job}",
        409,
        "label of another snapshot",
    ),
    Case("POST /entity/{table}/table/snapshot", 201, body={}),
    Case("POST /entity/{view}/table/snapshot", 400, "view", {}),
    Case("POST /entity/{table}/table/query/async/start", 201, body=QUERY),
    Case("GET /entity/{table}/table/query/async/get/{query_job}", 201),
    Case("GET /entity/{table}/table/query/async/get/{new_query_job}", 202),
    Case("GET /entity/{table}/table/query/async/get/{bad_query_job}", 400, "SQL"),
    Case(
        "GET /entity/{table}/table/query/async/get/{query_job}", 403, "job of another", user="bob"
    ),
    Case(
        "GET /entity/{table}/table/query/async/get/{facet_job}",
        400,
        "facet",
        reason="INVALID_TABLE_QUERY_FACET_COLUMN_REQUEST",
    ),
    Case("POST /entity/{wide_table}/table/query/nextPage/async/start", 201, body="{next_page}"),
    Case("GET /entity/{wide_table}/table/query/nextPage/async/get/{next_page_job}", 201),
    Case("GET /entity/{wide_table}/table/query/nextPage/async/get/{new_next_page_job}", 202),
    Case("POST /entity/{table}/table/download/csv/async/start", 201, body=CSV),
    Case("GET /entity/{table}/table/download/csv/async/get/{csv_job}", 201),
    Case("GET /entity/{table}/table/download/csv/async/get/{new_csv_job}", 202),
    Case("POST /entity/{table}/table/upload/csv/async/start", 201, body=UPLOAD),
    Case("GET /entity/{table}/table/upload/csv/async/get/{upload_job}", 201),
    Case("GET /entity/{table}/table/upload/csv/async/get/{new_upload_job}", 202),
    Case("POST /table/upload/csv/preview/async/start", 201, body=PREVIEW),
    Case("GET /table/upload/csv/preview/async/get/{preview_job}", 201),
    Case("GET /table/upload/csv/preview/async/get/{new_preview_job}", 202),
    Case(f"GET {CELL}", 307),
    Case(f"GET {CELL}?redirect=false", 200),
    Case("GET /asynchronous/job/{query_job}", 200),
    Case("GET /asynchronous/job/{query_job}/cancel", 200),
]

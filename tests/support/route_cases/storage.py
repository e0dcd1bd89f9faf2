"""Storage locations, project settings and temporary credentials."""

from support import storage_api
from support.route_case import Case

LOCATION = storage_api.EXTERNAL_S3 | {"bucket": "c-bucket"}
SETTING = storage_api.setting_body("{new_project}", [1])
SETTING_PATH = "/projectSettings/{setting}"
STS = ["{sts_location}"]

CASES = [
    Case("POST /storageLocation", 201, body=LOCATION),
    Case("POST /storageLocation", 400, "no bucket", LOCATION | {"bucket": None}),
    Case("GET /storageLocation/{location}", 200),
    Case("GET /storageLocation/{location_of_bob}", 403, "storage location of another"),
    Case("GET /storageLocation/999999", 404, "unknown"),
    Case("GET /storageLocation", 200),
    Case("POST /projectSettings", 201, body=SETTING),
    Case("POST /projectSettings", 400, "container", SETTING | {"projectId": "{file}"}),
    Case(
        "POST /projectSettings",
        400,
        "existing setting",
        SETTING | {"projectId": "{set_project}"},
        reason="A project setting of type 'upload' for project N already exists.",
    ),
    Case(
        "POST /projectSettings",
        403,
        "no CREATE",
        SETTING | {"projectId": "{shared_project}"},
        user="bob",
    ),
    Case(
        "POST /projectSettings",
        403,
        "storage location of another",
        SETTING | {"locations": ["{location_of_bob}"]},
    ),
    Case("PUT /projectSettings", 200, read=SETTING_PATH, body={"locations": ["{location}"]}),
    Case("PUT /projectSettings", 412, "stale etag", read=SETTING_PATH, body={"etag": "x"}),
    Case("PUT /projectSettings", 403, "no UPDATE", read=SETTING_PATH, user="bob"),
    Case(
        "PUT /projectSettings",
        400,
        "other project",
        read=SETTING_PATH,
        body={"projectId": "{project}"},
    ),
    Case(
        "PUT /projectSettings",
        400,
        "STS in a project",
        read=SETTING_PATH,
        body={"locations": STS},
        reason="STS",
    ),
    Case("GET /projectSettings/{setting}", 200),
    Case("GET /projectSettings/{set_project}/type/upload", 200),
    Case("GET /projectSettings/{folder}/type/upload", 200, "none"),
    Case("GET /projectSettings/{set_project}/type/upload", 403, "no READ", user="bob"),
    Case("GET /projectSettings/{set_project}/type/download", 400, "type"),
    Case("DELETE /projectSettings/{new_setting}", 204),
    Case("DELETE /projectSettings/{setting}", 403, "no DELETE", user="bob"),
    Case("DELETE /projectSettings/999999", 404, "unknown"),
    Case(
        "DELETE /projectSettings/{full_sts_setting}",
        400,
        "STS folder that is not empty",
        reason="STS",
    ),
    Case("GET /entity/{folder}/sts?permission=read_only", 400, "no STS folder"),
    Case("GET /entity/{sts_folder}/sts?permission=read_only", 403, "no DOWNLOAD", user="bob"),
]
#: Requests to a service with an S3 server.
S3_CASES = [Case("GET /entity/{sts_folder}/sts?permission=read_only", 200)]

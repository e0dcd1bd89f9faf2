"""Entities, annotations and Activities."""

from support.route_case import Case
from synapse_workflows.constants import FILE, FOLDER, MODEL, PROJECT

PROJECT_BODY = {"concreteType": PROJECT, "name": "{new_name}"}
BODY = {"concreteType": FOLDER, "name": "{new_name}", "parentId": "{project}"}
FILE_BODY = BODY | {"concreteType": FILE, "dataFileHandleId": "{handle}"}
ALL_PARTS = {
    f"include{part}": True
    for part in (
        "Entity", "Annotations", "Permissions", "EntityPath", "HasChildren", "AccessControlList",
        "FileHandles", "BenefactorACL", "FileName", "RestrictionInformation", "RootWikiId",
        "TableBundle", "DOIAssociation", "ThreadCount",
    )
}  # fmt: skip
STRING = {"annotations": {"a": {"type": "STRING", "value": ["x"]}}}
LONG = {"annotations": {"a": {"type": "LONG", "value": ["x"]}}}
USED = {"concreteType": f"{MODEL}.provenance.UsedEntity"}
BAD_URL = {"concreteType": f"{MODEL}.provenance.UsedURL", "url": "no url"}
SWAP = {"oldFileHandleId": "{new_own_handle}", "newFileHandleId": "{equal_handle}"}
CREATE = {"entity": BODY}
STALE = {"etag": "x"}
STALE_REASON = (
    "Object: X was updated since you last fetched it, retrieve it again and re-apply the update"
)

CASES = [
    Case("POST /entity", 201, body=BODY),
    Case("POST /entity?generatedBy={activity}", 201, "with an Activity", FILE_BODY),
    Case(
        "POST /entity",
        409,
        "name of a child",
        {"concreteType": FOLDER, "name": "{child_name}", "parentId": "{folder}"},
        reason="An entity with the name: X already exists with a parentId: Y",
    ),
    Case("POST /entity", 409, "used alias", PROJECT_BODY | {"alias": "{alias}"}),
    Case("POST /entity", 403, "no CREATE", BODY | {"parentId": "{shared_project}"}, user="bob"),
    Case(
        "POST /entity",
        403,
        "uncertified",
        BODY | {"parentId": "{open_project}"},
        user="dave",
        reason="USER_CERTIFICATION_REQUIRED",
    ),
    Case(
        "POST /entity",
        403,
        "file handle of another",
        FILE_BODY | {"dataFileHandleId": "{handle_of_bob}"},
    ),
    Case("POST /entity", 403, "parent in the trash can", BODY | {"parentId": "{trashed}"}),
    Case("POST /entity", 404, "unknown parent", BODY | {"parentId": "syn999999"}),
    Case("POST /entity", 400, "name", BODY | {"name": "a/b"}, reason="Invalid Name"),
    Case("POST /entity", 400, "type of the parent", PROJECT_BODY | {"parentId": "{project}"}),
    Case(
        "POST /entity", 400, "depth above 50", BODY | {"parentId": "{deep_folder}"}, reason="depth"
    ),
    Case(
        "POST /entity",
        400,
        "10,001 children",
        BODY | {"parentId": "{full_folder}"},
        reason="children",
    ),
    Case("GET /entity/{file}", 200),
    Case(
        "GET /entity/{file}",
        403,
        "no READ",
        user="bob",
        reason="You lack READ access to the requested entity.",
    ),
    Case("GET /entity/syn999999", 404, "unknown", reason="Resource: 'syn123' does not exist"),
    Case(
        "GET /entity/{trashed}", 404, "in the trash can", reason="Entity syn123 is in trash can."
    ),
    Case("PUT /entity/{folder}", 200, read="/entity/{folder}", body={"description": "d"}),
    Case(
        "PUT /entity/{folder}",
        412,
        "stale etag",
        read="/entity/{folder}",
        body=STALE,
        reason=STALE_REASON,
    ),
    Case(
        "PUT /entity/{new_folder}",
        409,
        "used name",
        read="/entity/{new_folder}",
        body={"name": "{child_name}", "parentId": "{folder}"},
    ),
    Case(
        "PUT /entity/{file}",
        409,
        "used version label",
        read="/entity/{file}",
        body={"versionLabel": "1"},
    ),
    Case(
        "PUT /entity/{folder}",
        400,
        "other type",
        read="/entity/{folder}",
        body={"concreteType": f"{MODEL}.Link"},
    ),
    Case(
        "PUT /entity/{full_file}?newVersion=true",
        400,
        "15,001 versions",
        read="/entity/{full_file}",
        reason="versions",
    ),
    Case("PUT /entity/{folder}", 403, "no UPDATE", read="/entity/{folder}", user="bob"),
    Case("DELETE /entity/{new_folder}", 204),
    Case("DELETE /entity/{trashed}", 204, "in the trash can"),
    Case("DELETE /entity/{folder}", 403, "no DELETE", user="bob"),
    Case("GET /entity/{file}/version/1", 200),
    Case("GET /entity/{file}/version/99", 404, "unknown"),
    Case("DELETE /entity/{new_file}/version/1", 204),
    Case("DELETE /entity/{linked_file}/version/1", 400, "only version"),
    Case("GET /entity/{file}/version", 200),
    Case("PUT /entity/{new_file}/version/1/filehandle", 200, body=SWAP),
    Case("PUT /entity/{file}/version/1/filehandle", 412, "other old file handle", SWAP),
    Case(
        "PUT /entity/{new_file}/version/1/filehandle",
        400,
        "other MD5",
        SWAP | {"newFileHandleId": "{other_handle}"},
    ),
    Case("GET /entity/{file}/annotations2", 200),
    Case("GET /entity/{file}/version/1/annotations2", 200),
    Case(
        "PUT /entity/{folder}/annotations2", 200, read="/entity/{folder}/annotations2", body=STRING
    ),
    Case(
        "PUT /entity/{folder}/annotations2",
        412,
        "stale etag",
        read="/entity/{folder}/annotations2",
        body=STALE,
    ),
    Case(
        "PUT /entity/{folder}/annotations2",
        400,
        "value of another type",
        read="/entity/{folder}/annotations2",
        body=LONG,
    ),
    Case("GET /entity/{file}/type", 200),
    Case("POST /entity/header", 200, body={"references": [{"targetId": "{file}"}]}),
    Case("POST /entity/{file}/bundle2", 200, body=ALL_PARTS),
    Case("POST /entity/{table}/bundle2", 200, "of a table", ALL_PARTS),
    Case("POST /entity/{file}/version/1/bundle2", 200, body=ALL_PARTS),
    Case("POST /entity/bundle2/create", 201, body=CREATE),
    Case("PUT /entity/{new_folder}/bundle2", 200, body=CREATE | {"entity": "{new_folder_body}"}),
    Case("POST /entity/children", 200, body={"parentId": "{project}", "includeTypes": ["folder"]}),
    Case("POST /entity/children", 400, "no type", {"parentId": "{project}", "includeTypes": []}),
    Case("POST /entity/child", 200, body={"parentId": "{folder}", "entityName": "{child_name}"}),
    Case(
        "POST /entity/child",
        404,
        "no such name",
        {"parentId": "{project}", "entityName": "{new_name}"},
    ),
    Case(
        "POST /entity/child",
        403,
        "no READ on the child",
        {"parentId": "{shared_project}", "entityName": "{hidden_name}"},
        user="bob",
    ),
    Case("GET /entity/md5/{file_md5}", 200),
    Case("GET /entity/alias/{alias}", 200),
    Case("GET /entity/alias/no-such-alias", 404, "unknown"),
    Case("GET /entity/dockerRepo/id?repositoryName={repository_name}", 200),
    Case("GET /entity/dockerRepo/id?repositoryName=no/such", 404, "unknown"),
    Case("GET /entity/{file}/path", 200),
    Case("GET /entity/{repository}/dockerTag", 200),
    Case("GET /entity/{file}/dockerTag", 400, "no repository"),
    Case("POST /entity/{repository}/dockerCommit", 204, body={"tag": "v2", "digest": "{digest}"}),
    Case("GET /trashcan/view", 200),
    Case("PUT /trashcan/trash/{new_folder}", 200),
    Case("PUT /trashcan/restore/{new_trashed}", 200),
    Case("PUT /trashcan/restore/{new_trashed}/{folder}", 200),
    Case("PUT /trashcan/purge/{new_trashed}", 200),
    # provenance
    Case(
        "POST /activity",
        201,
        body={"name": "run", "used": [USED | {"reference": {"targetId": "{file}"}}]},
    ),
    Case("POST /activity", 400, "URL", {"used": [BAD_URL]}),
    Case(
        "POST /activity",
        404,
        "unknown entity",
        {"used": [USED | {"reference": {"targetId": "syn999999"}}]},
    ),
    Case("GET /activity/{activity}", 200),
    Case("GET /activity/999999", 404, "unknown"),
    Case(
        "GET /activity/{activity_without_entity}",
        403,
        "Activity of another without entity",
        user="bob",
    ),
    Case(
        "GET /activity/{activity_of_hidden}",
        403,
        "no READ on the entity that it generated",
        user="bob",
    ),
    Case("GET /activity/{activity_without_entity}", 403, "anonymous", user=None),
    Case("PUT /activity/{activity}", 200, read="/activity/{activity}", body={"name": "other"}),
    Case("PUT /activity/{activity}", 412, "stale etag", read="/activity/{activity}", body=STALE),
    Case(
        "PUT /activity/{activity}",
        403,
        "Activity of another",
        read="/activity/{activity}",
        user="bob",
    ),
    Case("DELETE /activity/{new_activity}", 204),
    Case("DELETE /activity/999999", 204, "unknown"),
    Case("DELETE /activity/{activity}", 403, "Activity of another", user="bob"),
    Case("GET /activity/{activity_of_hidden}/generated", 200),
    Case("GET /entity/{linked_file}/generatedBy", 200),
    Case(
        "GET /entity/{file}/generatedBy",
        404,
        "no Activity",
        reason="Activity for: 'syn123', version: '1' does not exist",
    ),
    Case("GET /entity/{linked_file}/version/1/generatedBy", 200),
    Case("GET /entity/{file}/version/1/generatedBy", 404, "no Activity"),
    Case("PUT /entity/{new_file}/generatedBy?generatedBy={activity}", 200),
    Case(
        "PUT /entity/{linked_file}/generatedBy?generatedBy={activity}",
        403,
        "no UPDATE",
        user="bob",
    ),
    Case("PUT /entity/{linked_file}/generatedBy?generatedBy=999999", 404, "unknown Activity"),
    Case("DELETE /entity/{new_linked_file}/generatedBy", 204),
]

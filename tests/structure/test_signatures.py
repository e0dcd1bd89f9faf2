"""Tests of the public methods: names, arguments and defaults are those of synapseclient."""

import inspect

import pytest

from synapse_workflows import Activity, File, Folder, Link, Project, Synapse

CHILDREN = "['folder', 'file', 'table', 'link', 'entityview', 'dockerrepo']"
REST = "endpoint=None, headers=None, retryPolicy={}, requests_session=None, **kwargs"
STORE = (
    "obj, *, createOrUpdate=True, forceVersion=True, versionLabel=None, isRestricted=False, "
    "activity=None, used=None, executed=None, activityName=None, activityDescription=None"
)
METHODS = {
    "setEndpoints": (
        "repoEndpoint=None, authEndpoint=None, fileHandleEndpoint=None, portalEndpoint=None, "
        "skip_checks=False"
    ),
    "getConfigFile": "configPath",
    "restGET": f"uri, {REST}",
    "restPOST": f"uri, body, {REST}",
    "restPUT": f"uri, body=None, {REST}",
    "restDELETE": f"uri, {REST}",
    "login": (
        "email=None, password=None, apiKey=None, sessionToken=None, rememberMe=False, "
        "silent=False, forced=False, authToken=None, *, profile=None"  # profile: synapseclient 4
    ),
    "invalidateAPIKey": "",
    "logout": "forgetMe=False",
    "getUserProfile": "id=None, sessionToken=None, refresh=False",
    "is_certified": "user",
    "onweb": "entity, subpageId=None",
    "printEntity": "entity, ensure_ascii=True",
    "get": "entity, **kwargs",
    "store": STORE,
    "delete": "obj, version=None",
    "move": "entity, new_parent",
    "get_annotations": "entity, version=None",
    "set_annotations": "annotations",
    "getAnnotations": "entity, version=None",
    "setAnnotations": "entity, annotations=None, **kwargs",
    "getChildren": (
        f"parent, includeTypes={CHILDREN}, sortBy='NAME', sortDirection='ASC'"
    ),
    "findEntityId": "name, parent=None",
    "md5Query": "md5",
    "getPermissions": "entity, principalId=None",
    "setPermissions": (
        "entity, principalId=None, accessType=['READ', 'DOWNLOAD'], modify_benefactor=False, "
        "warn_if_inherits=True, overwrite=True"
    ),
    "getProvenance": "entity, version=None",
    "setProvenance": "entity, activity",
    "deleteProvenance": "entity",
    "updateActivity": "activity",
    "createColumn": "name, columnType, maximumSize=None, defaultValue=None, enumValues=None",
    "createColumns": "columns",
    "getColumn": "id",
    "getColumns": "x, limit=100, offset=0",
    "getTableColumns": "table",
    "tableQuery": "query, resultsAs='csv', **kwargs",
    "downloadTableColumns": "table, columns, downloadLocation=None, **kwargs",
    "create_snapshot_version": "table, comment=None, label=None, activity=None, wait=True",
    "uploadFileHandle": (
        "path, parent, synapseStore=True, mimetype=None, md5=None, file_size=None"
    ),
    "create_external_s3_file_handle": (
        "bucket_name, s3_file_key, file_path, *, parent=None, storage_location_id=None, "
        "mimetype=None"
    ),
    "createStorageLocationSetting": "storage_type, **kwargs",
    "getMyStorageLocationSetting": "storage_location_id",
    "setStorageLocation": "entity, storage_location_id",
    "getProjectSetting": "project, setting_type",
    "get_sts_storage_token": (
        "entity, permission, *, output_format='json', min_remaining_life=None"
    ),
    "create_s3_storage_location": (
        "*, parent=None, folder_name=None, folder=None, bucket_name=None, base_key=None, "
        "sts_enabled=False"
    ),
    "getEvaluation": "id",
    "getEvaluationByName": "name",
    "getEvaluationByContentSource": "entity",
    "submit": (
        "evaluation, entity, name=None, team=None, silent=False, submitterAlias=None, "
        "teamName=None, dockerTag='latest'"
    ),
    "getSubmissions": "evaluation, status=None, myOwn=False, limit=20, offset=0",
    "getSubmissionBundles": "evaluation, status=None, myOwn=False, limit=20, offset=0",
    "getSubmission": "id, **kwargs",
    "getSubmissionStatus": "submission",
    "sendMessage": "userIds, messageSubject, messageBody, contentType='text/plain'",
    "getTeam": "id",
    "getTeamMembers": "team",
    "get_team_open_invitations": "team",
    "get_membership_status": "userid, team",
    "send_membership_invitation": "teamId, inviteeId=None, inviteeEmail=None, message=None",
    "invite_to_team": "team, user=None, inviteeEmail=None, message=None, force=False",
}  # fmt: skip


def format_signature(function, *, skip: int = 1) -> str:
    """Return a signature without types and without the first `skip` parameters."""
    signature = inspect.signature(function)
    parameters = []
    for parameter in list(signature.parameters.values())[skip:]:
        default = parameter.default
        if isinstance(default, tuple | list):
            default = [str(item) for item in default]
        elif default is not parameter.empty and hasattr(default, "keys"):
            default = dict(default)
        parameters.append(parameter.replace(annotation=inspect.Parameter.empty, default=default))
    return str(inspect.Signature(parameters)).strip("()")


@pytest.mark.parametrize("name", METHODS)
def test_method_has_arguments_of_synapseclient(name):
    assert format_signature(getattr(Synapse, name)) == METHODS[name]


def test_constructor_starts_with_arguments_of_synapseclient():
    """Additional arguments follow as keyword-only arguments."""
    positional = format_signature(Synapse).partition(", *, ")
    assert format_signature(Synapse, skip=0).startswith(
        "repoEndpoint=None, authEndpoint=None, fileHandleEndpoint=None, portalEndpoint=None, "
        "debug=None, skip_checks=False, configPath="
    )
    assert ", requests_session=None, cache_root_dir=None, silent=None" in positional[0]


def test_models_have_arguments_of_synapseclient():
    assert format_signature(Activity, skip=0) == (
        "name=None, description=None, used=None, executed=None, data={}"
    )
    assert format_signature(Activity.used) == (
        "target=None, targetVersion=None, wasExecuted=None, url=None, name=None"
    )
    assert (
        format_signature(Activity.executed)
        == "target=None, targetVersion=None, url=None, name=None"
    )
    assert format_signature(File, skip=0).startswith("path=None, parent=None, synapseStore=True")
    assert format_signature(Folder, skip=0).startswith("name=None, parent=None")
    assert format_signature(Project, skip=0).startswith("name=None")
    assert format_signature(Link, skip=0).startswith(
        "targetId=None, targetVersion=None, parent=None"
    )


@pytest.mark.parametrize("name", METHODS)
def test_method_documents_arguments_and_rest_calls(name):
    method = getattr(Synapse, name)
    assert method.__name__ == name
    assert "Args:" in method.__doc__
    assert "Source:" in method.__doc__

"""The Synapse client. Its methods are the functions in the modules of `client.api`."""

import os
from typing import TYPE_CHECKING, Any, Final

from synapse_workflows.client.api import (
    annotations,
    api_keys,
    children,
    columns,
    copy_entities,
    copy_wikis,
    endpoints,
    entities,
    evaluations,
    file_metadata,
    files,
    login as login_api,
    messages,
    permissions,
    provenance,
    queries,
    rest,
    snapshots,
    storage,
    store as store_api,
    sts,
    submission_create,
    submissions,
    table_file_download,
    teams,
    users,
    walk as walk_api,
    wikis,
)
from synapse_workflows.client.core import config
from synapse_workflows.client.core.redaction import hide
from synapse_workflows.client.core.session import TIMEOUT, Session

if TYPE_CHECKING:
    import requests

    from synapse_workflows.client.core.retry import RetryPolicy

_SECRET_ARGUMENTS: Final = frozenset({"password", "apiKey", "sessionToken", "authToken"})


class Synapse(Session):
    """Synapse client for one user and one set of endpoints.

    Args:
        repoEndpoint: See `setEndpoints`.
        authEndpoint: See `setEndpoints`.
        fileHandleEndpoint: See `setEndpoints`.
        portalEndpoint: See `setEndpoints`.
        debug: Whether to log each request, and to append request and response to the messages of
            HTTP errors. None enables debugging if the configuration file has a section
            ``[debug]``.
        skip_checks: Whether to skip the check of the endpoints for permanent redirects.
        configPath: Path of the configuration file, which does not have to exist.
        requests_session: The requests session for all requests; None to create one.
        cache_root_dir: Directory of the cache; ``[cache] location`` in the configuration file
            takes precedence.
        silent: Whether to suppress log messages and progress bars.
        retry: Retry policy of requests; None for the default.
        timeout: Connect timeout and read timeout in seconds, or one number for both.
        cache_limit: Maximum size of the cache in bytes; None for no limit.
        limit_requests: Whether all processes that use the same cache and account slow down
            together when Synapse limits the requests of the account (429).

    Raises:
        ValueError: `debug` is not a bool.
        SynapseConfigError: The configuration file or an endpoint is invalid.
        SynapseConnectionError: An endpoint does not respond.
    """

    def __init__(
        self,
        repoEndpoint: str | None = None,
        authEndpoint: str | None = None,
        fileHandleEndpoint: str | None = None,
        portalEndpoint: str | None = None,
        debug: bool | None = None,
        skip_checks: bool = False,
        configPath: str = config.DEFAULT_PATH,
        requests_session: "requests.Session | None" = None,
        cache_root_dir: str | None = None,
        silent: bool | None = None,
        *,
        retry: "RetryPolicy | None" = None,
        timeout: float | tuple[float, float] = TIMEOUT,
        cache_limit: int | None = None,
        limit_requests: bool = True,
    ) -> None:
        if debug is not None and not isinstance(debug, bool):
            raise ValueError(f"debug must be set to a bool (either True or False), not {debug!r}")
        parser = config.read_file(configPath)
        settings = config.parse_config(parser, configPath)
        threads = settings.max_threads
        if threads is None:
            threads = (os.cpu_count() or 1) + 4
        super().__init__(
            config_path=settings.path,
            requests_session=requests_session,
            cache_root=settings.cache_location or cache_root_dir,
            cache_limit=cache_limit,
            max_threads=threads,
            use_boto_sts=settings.use_boto_sts,
            silent=silent,
            debug=settings.debug if debug is None else debug,
            retry=retry,
            timeout=timeout,
            limit_requests=limit_requests,
        )
        self.get_or_create(f"config {settings.path}", lambda: parser)
        self.setEndpoints(
            repoEndpoint, authEndpoint, fileHandleEndpoint, portalEndpoint, skip_checks
        )

    # Configuration
    getConfigFile = endpoints.getConfigFile
    setEndpoints = endpoints.setEndpoints

    # Login
    login = login_api.login
    logout = login_api.logout
    invalidateAPIKey = api_keys.invalidateAPIKey

    # Users
    getUserProfile = users.getUserProfile
    is_certified = users.is_certified

    # Entities
    get = entities.get
    store = store_api.store
    delete = entities.delete
    move = entities.move
    copy = copy_entities.copy
    copy_wiki = copy_wikis.copy_wiki
    change_file_metadata = file_metadata.change_file_metadata
    printEntity = entities.printEntity
    onweb = entities.onweb

    # Annotations
    get_annotations = annotations.get_annotations
    set_annotations = annotations.set_annotations
    getAnnotations = annotations.getAnnotations
    setAnnotations = annotations.setAnnotations

    # Listing and lookup
    getChildren = children.getChildren
    findEntityId = children.findEntityId
    md5Query = children.md5Query
    walk = walk_api.walk

    # Permissions
    getPermissions = permissions.getPermissions
    setPermissions = permissions.setPermissions

    # Provenance
    getProvenance = provenance.getProvenance
    setProvenance = provenance.setProvenance
    deleteProvenance = provenance.deleteProvenance
    updateActivity = provenance.updateActivity

    # Tables
    createColumn = columns.createColumn
    createColumns = columns.createColumns
    getColumn = columns.getColumn
    getColumns = columns.getColumns
    getTableColumns = columns.getTableColumns
    tableQuery = queries.tableQuery
    downloadTableColumns = table_file_download.downloadTableColumns
    create_snapshot_version = snapshots.create_snapshot_version

    # Files
    uploadFileHandle = files.uploadFileHandle
    create_external_s3_file_handle = files.create_external_s3_file_handle

    # Storage
    createStorageLocationSetting = storage.createStorageLocationSetting
    getMyStorageLocationSetting = storage.getMyStorageLocationSetting
    setStorageLocation = storage.setStorageLocation
    getProjectSetting = storage.getProjectSetting
    get_sts_storage_token = sts.get_sts_storage_token
    create_s3_storage_location = storage.create_s3_storage_location

    # Evaluations and submissions
    getEvaluation = evaluations.getEvaluation
    getEvaluationByName = evaluations.getEvaluationByName
    getEvaluationByContentSource = evaluations.getEvaluationByContentSource
    submit = submission_create.submit
    getSubmissions = submissions.getSubmissions
    getSubmissionBundles = submissions.getSubmissionBundles
    getSubmission = submissions.getSubmission
    getSubmissionStatus = submissions.getSubmissionStatus

    # Teams
    getTeam = teams.getTeam
    getTeamMembers = teams.getTeamMembers
    get_team_open_invitations = teams.get_team_open_invitations
    get_membership_status = teams.get_membership_status
    send_membership_invitation = teams.send_membership_invitation
    invite_to_team = teams.invite_to_team

    # Wikis
    getWiki = wikis.getWiki
    getWikiHeaders = wikis.getWikiHeaders
    getWikiAttachments = wikis.getWikiAttachments

    # Messages
    sendMessage = messages.sendMessage

    # HTTP
    restGET = rest.restGET
    restPOST = rest.restPOST
    restPUT = rest.restPUT
    restDELETE = rest.restDELETE


def login(*args: Any, **kwargs: Any) -> Synapse:
    """Create a client with default settings and log in.

    Args:
        *args: Positional arguments of `Synapse.login`.
        **kwargs: Keyword arguments of `Synapse.login`.

    Returns:
        The client.

    Raises:
        SynapseNoCredentialsError: No credentials were found.
        SynapseAuthenticationError: The credentials were rejected, or are not supported.
    """
    # Tracebacks that show local variables must not show passwords and tokens.
    args = (*args[:1], *map(hide, args[1:]))
    kwargs = {k: hide(v) if k in _SECRET_ARGUMENTS else v for k, v in kwargs.items()}
    syn = Synapse()
    syn.login(*args, **kwargs)
    return syn

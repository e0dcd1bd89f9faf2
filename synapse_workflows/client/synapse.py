"""The flat surface of the client: which function of `client.api` each method is."""

import os
from typing import TYPE_CHECKING, Any

from synapse_workflows.client.api import (
    annotations,
    children,
    columns,
    endpoints,
    entities,
    files,
    login as sessions,
    permissions,
    provenance,
    queries,
    rest,
    snapshots,
    store as storing,
    table_file_download,
    users,
)
from synapse_workflows.client.core import config
from synapse_workflows.client.core.session import TIMEOUT, Session

if TYPE_CHECKING:
    import requests

    from synapse_workflows.client.core.retry import RetryPolicy


class Synapse(Session):
    """A client of Synapse: one identity, its endpoints, and every method there is.

    Args:
        repoEndpoint: See `setEndpoints`.
        authEndpoint: See `setEndpoints`.
        fileHandleEndpoint: See `setEndpoints`.
        portalEndpoint: See `setEndpoints`.
        debug: Log each request, and let HTTP errors carry request and response; None: as the
            configuration file says (a section ``[debug]``).
        skip_checks: Do not ask the endpoints whether they moved.
        configPath: The configuration file; a missing one is fine.
        requests_session: Used for all calls; one of the client's own when None.
        cache_root_dir: Directory of the cache; ``[cache] location`` of the file wins over it.
        silent: Say nothing, draw no progress.
        retry: How patiently calls are made again.
        timeout: Seconds to connect and seconds between two reads, or one number for both.
        cache_limit: Bytes that the cache may take; None for no limit.

    Raises:
        SynapseConfigError: The configuration file or an endpoint makes no sense.
        SynapseConnectionError: Nobody answers at an endpoint.
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
    ) -> None:
        if debug is not None and not isinstance(debug, bool):
            raise ValueError("debug must be set to a bool (either True or False)")
        parser = config.read(configPath)
        settings = config.of(parser, configPath)
        super().__init__(
            config_path=settings.path,
            requests_session=requests_session,
            cache_root=settings.cache_location or cache_root_dir,
            cache_limit=cache_limit,
            max_threads=settings.max_threads or (os.cpu_count() or 1) + 4,
            use_boto_sts=settings.use_boto_sts,
            silent=silent,
            debug=settings.debug if debug is None else debug,
            retry=retry,
            timeout=timeout,
        )
        self.own(f"config {settings.path}", lambda: parser)
        self.setEndpoints(
            repoEndpoint, authEndpoint, fileHandleEndpoint, portalEndpoint, skip_checks
        )

    # Configuration
    getConfigFile = endpoints.getConfigFile
    setEndpoints = endpoints.setEndpoints

    # Login
    login = sessions.login
    logout = sessions.logout

    # Users
    getUserProfile = users.getUserProfile
    is_certified = users.is_certified

    # Entities
    get = entities.get
    store = storing.store
    delete = entities.delete
    move = entities.move
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

    # HTTP
    restGET = rest.restGET
    restPOST = rest.restPOST
    restPUT = rest.restPUT
    restDELETE = rest.restDELETE


def login(*args: Any, **kwargs: Any) -> Synapse:
    """Make a client with default settings and log in; arguments as for `Synapse.login`."""
    syn = Synapse()
    syn.login(*args, **kwargs)
    return syn

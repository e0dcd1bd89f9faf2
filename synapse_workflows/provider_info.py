"""Provider metadata for Airflow. This module imports no other module of the package."""

from typing import Any

_URL_FIELD = {"type": ["string", "null"], "format": "url"}

_CONNECTION_FIELDS = {
    "auth_endpoint": {
        "label": "Auth endpoint",
        "description": "Default: on the same host as the REST endpoint",
        "schema": _URL_FIELD,
    },
    "file_endpoint": {
        "label": "File endpoint",
        "description": "Default: on the same host as the REST endpoint",
        "schema": _URL_FIELD,
    },
    "portal_endpoint": {
        "label": "Portal",
        "description": "Base URL of the web portal, for the links of tasks",
        "schema": _URL_FIELD,
    },
    "cache_dir": {
        "label": "Cache directory",
        "description": "Directory for downloaded files. Default: [synapse] cache_dir",
        "schema": {"type": ["string", "null"]},
    },
    "cache_limit": {
        "label": "Cache limit",
        "description": "For example '20 GB', or 'none'. Default: [synapse] cache_limit",
        "schema": {"type": ["string", "null"]},
    },
    "limit_requests": {
        "label": "Slow down together with the other tasks when Synapse limits the account",
        "description": "Default: [synapse] limit_requests",
        "schema": {"type": ["boolean", "null"]},
    },
    "storage_config": {
        "label": "Credentials of external storage",
        "description": (
            "Path of a file on each worker with sections [endpoint/bucket] (profile_name) and "
            "[sftp://host] (username, password, known_hosts)"
        ),
        "schema": {"type": ["string", "null"]},
    },
    "use_boto_sts": {
        "label": "Transfer files in STS-enabled buckets with STS credentials",
        "description": "Default: no, Synapse signs the URLs of uploads and downloads",
        "schema": {"type": ["boolean", "null"]},
    },
    "env_fallback": {
        "label": "Use the account of the worker's environment if there is no token",
        "description": (
            "SYNAPSE_AUTH_TOKEN or ~/.synapseConfig of each worker and triggerer. The log names "
            "the account. Default: no"
        ),
        "schema": {"type": ["boolean", "null"]},
    },
    "lineage_mode": {
        "label": "Lineage mode",
        "description": "merge, replace, declared or off. Default: [synapse] lineage_mode",
        "schema": {
            "type": ["string", "null"],
            "enum": ["merge", "replace", "declared", "off"],
        },
    },
    "lineage_required": {
        "label": "Fail tasks whose Activity cannot be stored",
        "description": "Default: [synapse] lineage_required",
        "schema": {"type": ["boolean", "null"]},
    },
    "record_params": {
        "label": "Parameters in Activities",
        "description": (
            "true for all parameters and the conf of the run, or names with commas. "
            "Default: [synapse] record_params"
        ),
        "schema": {"type": ["string", "null"]},
    },
    "code_parent_id": {
        "label": "Folder for code",
        "description": (
            "Folder in which code without a permanent URL is stored, with a version for each "
            "content. Default: [synapse] code_parent_id"
        ),
        "schema": {"type": ["string", "null"], "pattern": "^(syn[0-9]+)?$"},
    },
}

_FORM = {
    "ui-field-behaviour": {
        # Without a port, the test button of the form sends port 0. Airflow treats port 0 as
        # another host and does not use the stored token.
        "hidden-fields": ["schema", "login"],
        "relabeling": {
            "password": "Personal access token",
            "host": "REST endpoint",
            "port": "Port (required to test a saved connection)",
        },
        "placeholders": {
            "host": "https://repo-prod.prod.sagebase.org/repo/v1 (empty: the same)",
            "port": "443",
            "password": "from synapse.org: Account Settings, Personal Access Tokens",
        },
    },
    "conn-fields": _CONNECTION_FIELDS,
}

_CONFIG = {
    "synapse": {
        "description": "Settings of the provider for Synapse (synapse.org).",
        "options": {
            "cache_dir": {
                "description": (
                    "Directory for the files that a worker downloads. "
                    "If empty, ~/.synapseCache, which other Synapse clients use as well."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": "/var/cache/synapse",
                "default": "",
            },
            "cache_limit": {
                "description": (
                    "Maximum size of the cache of a worker, with a unit, or 'none'. The least "
                    "recently used files are evicted first, but no file that a task is using."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": "100 GB",
                "default": "20 GB",
            },
            "staging": {
                "description": (
                    "Where `staged` copies the files that one task makes and another task takes: "
                    "the URL of an object storage, 's3://connection@bucket/prefix', or the path "
                    "of a folder that all workers share. If empty, a folder of each machine, in "
                    "the home of Airflow."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "sensitive": True,
                "example": "s3://aws_default@bucket/staging",
                "default": "",
            },
            "limit_requests": {
                "description": (
                    "Whether the tasks and triggers of a machine slow down together when Synapse "
                    "limits the requests of their account (status 429). They share the limit "
                    "through files in the cache directory."
                ),
                "version_added": "0.1.0",
                "type": "boolean",
                "example": "False",
                "default": "True",
            },
            "lineage_mode": {
                "description": (
                    "Default lineage mode of hooks and operators. Provenance of stored entities: "
                    "'merge' (what tasks read and ran, what is declared, and what a person added "
                    "to the Activity of a table or of an earlier try), 'replace' (without what a "
                    "person added), 'declared' (only what is declared) or 'off' (none, except "
                    "what a call declares)."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": "declared",
                "default": "merge",
            },
            "lineage_required": {
                "description": (
                    "Whether a task fails if Synapse rejects its Activity. If not, the entity is "
                    "stored without it, and `synapse-workflows provenance repair` adds it later."
                ),
                "version_added": "0.1.0",
                "type": "boolean",
                "example": "True",
                "default": "False",
            },
            "record_params": {
                "description": (
                    "Parameters and conf of the run in the description of Activities, without "
                    "secrets: 'True' for all, 'False' for none, or names with commas."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": "threshold, cohort",
                "default": "False",
            },
            "code_parent_id": {
                "description": (
                    "Folder or project in which code that has no permanent URL (not committed, or "
                    "not in a git repository) is stored as a File, with a version for each "
                    "content. Activities then refer to this version. If empty, they have only its "
                    "SHA-256."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": "syn123",
                "default": "",
            },
        },
    }
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider metadata, as defined by Airflow's provider_info schema."""
    return {
        "package-name": "synapse-workflows",
        "name": "Synapse (synapse.org)",
        "description": (
            "Synapse, the platform of Sage Bionetworks for sharing biomedical research data: "
            "client, automatic lineage, and a local Synapse."
        ),
        "integrations": [
            {
                "integration-name": "Synapse (synapse.org)",
                "external-doc-url": "https://www.synapse.org",
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "synapse",
                "hook-class-name": "synapse_workflows.hooks.sql.SynapseSqlHook",
                "hook-name": "Synapse (synapse.org)",
                **_FORM,
            },
        ],
        "filesystems": ["synapse_workflows.fs"],
        "hooks": [
            {
                "integration-name": "Synapse (synapse.org)",
                "python-modules": [
                    "synapse_workflows.hooks.synapse",
                    "synapse_workflows.hooks.sql",
                    "synapse_workflows.hooks.sts_s3",
                ],
            }
        ],
        "operators": [
            {
                "integration-name": "Synapse (synapse.org)",
                "python-modules": [
                    "synapse_workflows.operators.annotations",
                    "synapse_workflows.operators.entities",
                    "synapse_workflows.operators.files",
                    "synapse_workflows.operators.leaderboards",
                    "synapse_workflows.operators.messages",
                    "synapse_workflows.operators.permissions",
                    "synapse_workflows.operators.provenance",
                    "synapse_workflows.operators.scores",
                    "synapse_workflows.operators.snapshots",
                    "synapse_workflows.operators.storage",
                    "synapse_workflows.operators.sts",
                    "synapse_workflows.operators.sts_containers",
                    "synapse_workflows.operators.submissions",
                    "synapse_workflows.operators.sync",
                    "synapse_workflows.operators.table_queries",
                    "synapse_workflows.operators.tables",
                    "synapse_workflows.operators.wikis",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "Synapse (synapse.org)",
                "python-modules": [
                    "synapse_workflows.sensors.entities",
                    "synapse_workflows.sensors.submissions",
                    "synapse_workflows.sensors.tables",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": "Synapse (synapse.org)",
                "python-modules": [
                    "synapse_workflows.triggers.entities",
                    "synapse_workflows.triggers.jobs",
                    "synapse_workflows.triggers.submissions",
                    "synapse_workflows.triggers.tables",
                ],
            }
        ],
        "asset-uris": [
            {
                "schemes": ["syn"],
                "handler": "synapse_workflows.assets.sanitize_uri",
                "factory": "synapse_workflows.assets.create_asset",
                "to_openlineage_converter": (
                    "synapse_workflows.openlineage_assets.convert_asset_to_openlineage"
                ),
            }
        ],
        "notifications": ["synapse_workflows.notifications.SynapseNotifier"],
        "task-decorators": [
            {
                "name": "synapse_score",
                "class-name": "synapse_workflows.decorators.scores.synapse_score_task",
            },
            {
                "name": "synapse_sts",
                "class-name": "synapse_workflows.decorators.sts.synapse_sts_task",
            },
        ],
        "secrets-backends": ["synapse_workflows.secrets.SynapseStsBackend"],
        "extra-links": [
            "synapse_workflows.links.SynapseEntityLink",
            "synapse_workflows.links.SynapseLineageLink",
        ],
        "config": _CONFIG,
    }

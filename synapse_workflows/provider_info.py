"""What Airflow is told about this provider: a dictionary, nothing is imported for it."""

from typing import Any

_URL_FIELD = {"type": ["string", "null"], "format": "url"}

_CONNECTION_FIELDS = {
    "auth_endpoint": {
        "label": "Auth endpoint",
        "description": "Left empty: that of the same Synapse as the REST endpoint",
        "schema": _URL_FIELD,
    },
    "file_endpoint": {
        "label": "File endpoint",
        "description": "Left empty: that of the same Synapse as the REST endpoint",
        "schema": _URL_FIELD,
    },
    "portal_endpoint": {
        "label": "Portal",
        "description": "Where the web pages are; links of tasks lead there",
        "schema": _URL_FIELD,
    },
    "cache_dir": {
        "label": "Cache directory",
        "description": "Where workers keep downloads; left empty: [synapse] cache_dir",
        "schema": {"type": ["string", "null"]},
    },
    "cache_limit": {
        "label": "Cache limit",
        "description": "As '20 GB', or 'none'; left empty: [synapse] cache_limit",
        "schema": {"type": ["string", "null"]},
    },
}

_FORM = {
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "port", "login"],
        "relabeling": {"password": "Personal access token", "host": "REST endpoint"},
        "placeholders": {
            "host": "https://repo-prod.prod.sagebase.org/repo/v1",
            "password": "made on synapse.org under Account settings, with view, download, modify",
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
                    "Directory in which a worker keeps downloaded files. "
                    "Empty: ~/.synapseCache, shared with other Synapse clients."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": "/var/cache/synapse",
                "default": "",
            },
            "cache_limit": {
                "description": (
                    "How much the cache of a worker may hold, with a unit, or 'none'. "
                    "What was used longest ago goes first, never a file that a task holds."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": "100 GB",
                "default": "20 GB",
            },
            "lineage_mode": {
                "description": (
                    "What becomes the provenance of stored entities, unless a hook or an operator "
                    "says it: 'auto' (what tasks read and ran, and what is declared), "
                    "'declared' (only what is declared), 'off' (the client alone)."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": "declared",
                "default": "auto",
            },
        },
    }
}


def get_provider_info() -> dict[str, Any]:
    """Describe the provider in the words of Airflow's provider_info schema."""
    return {
        "package-name": "synapse-workflows",
        "name": "Synapse (synapse.org)",
        "description": (
            "Synapse, the platform of Sage Bionetworks for sharing biomedical research data: "
            "client, lineage that writes itself, and a local Synapse."
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
                "hook-class-name": "synapse_workflows.hooks.synapse.SynapseHook",
                "hook-name": "Synapse (synapse.org)",
                **_FORM,
            },
            {
                "connection-type": "syn",
                "hook-class-name": "synapse_workflows.hooks.synapse.SynHook",
                "hook-name": "Synapse (synapse.org), type syn",
                **_FORM,
            },
        ],
        "hooks": [
            {
                "integration-name": "Synapse (synapse.org)",
                "python-modules": ["synapse_workflows.hooks.synapse"],
            }
        ],
        "operators": [
            {
                "integration-name": "Synapse (synapse.org)",
                "python-modules": [
                    "synapse_workflows.operators.files",
                    "synapse_workflows.operators.queries",
                    "synapse_workflows.operators.snapshots",
                    "synapse_workflows.operators.tables",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "Synapse (synapse.org)",
                "python-modules": ["synapse_workflows.sensors.tables"],
            }
        ],
        "triggers": [
            {
                "integration-name": "Synapse (synapse.org)",
                "python-modules": [
                    "synapse_workflows.triggers.jobs",
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
                    "synapse_workflows.assets.convert_asset_to_openlineage"
                ),
            }
        ],
        "extra-links": ["synapse_workflows.links.SynapseEntityLink"],
        "config": _CONFIG,
    }

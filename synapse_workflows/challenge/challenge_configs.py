"""Challenge configurations of orca-recipes: sections and keys of `challenge_configs.yaml`.

Such a file has a section for each challenge, with settings of the DAG, of Synapse, and of the
Nextflow run that evaluated the submissions. The settings of the DAG and of Synapse are translated
to those of `ChallengeSettings`, and the others are listed. A section may have keys of both kinds.
A file may also have top-level keys that are no sections, for example for anchors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

#: Key of a configuration -> key of `ChallengeSettings`.
_NAMES: Final = {
    "synapse_conn_id": "connection",
    "evaluation_id": "queue",
    "schedule_interval": "schedule",
}
#: Keys of submission views. Which evaluations a view has is known to Synapse only.
_VIEWS: Final = ("view_id", "tower_view_id", "submission_view")
#: Section with the settings of the DAG, and its sections with settings of all tasks and of runs.
_DAG_SECTION: Final = "dag_config"
_DAG_SECTIONS: Final = (_DAG_SECTION, "default_args", "params")
#: Arguments of a DAG and of its tasks that the DAG of a challenge sets itself, or does not need.
_DAG_ARGUMENTS: Final = frozenset(
    {
        "catchup",
        "depends_on_past",
        "description",
        "doc_md",
        "email",
        "email_on_failure",
        "email_on_retry",
        "is_paused_upon_creation",
        "max_active_runs",
        "owner",
    }
)
_SECTIONS: Final = "challenges"
#: Settings of the Nextflow run, and of the bucket in which it stages the submissions.
_NEXTFLOW_PREFIXES: Final = ("tower_", "nextflow_", "aws_", "s3_")
_NEXTFLOW: Final = frozenset(
    {
        "bucket_name",
        "challenge_profile",
        "key",
        "pipeline",
        "profile",
        "revision",
        "uuid",
        "workspace_secrets",
    }
)


@dataclass(frozen=True)
class ChallengeConfig:
    """Settings of one challenge, with the keys of `ChallengeSettings`.

    Args:
        settings: Key -> value.
        names: Key -> key in the file, where they differ.
        view: Submission view of the challenge; None if the file has none.
        nextflow: Keys of the file with settings of the Nextflow run, which are not used.
        dag_arguments: Keys of the file with arguments of the DAG, which are not used.
    """

    settings: dict[str, Any]
    names: dict[str, str] = field(default_factory=dict)
    view: str | None = None
    nextflow: list[str] = field(default_factory=list)
    dag_arguments: list[str] = field(default_factory=list)


def select_section(
    content: Mapping[str, Any], challenge: str | None, known: frozenset[str]
) -> Mapping[str, Any]:
    """Return the section of a challenge, with its name as `dag_id`; or a file without sections.

    Args:
        content: Content of the file.
        challenge: Name of the section; None if the file has only one challenge.
        known: Keys of a file without sections.

    Raises:
        ValueError: The file has no such section, or it has several and none is selected.
    """
    sections = content.get(_SECTIONS, content)
    others = content.keys() - {_SECTIONS}
    if _SECTIONS in content and others:
        raise ValueError(f"unknown keys beside {_SECTIONS!r}: {', '.join(map(str, others))}")
    if not isinstance(sections, Mapping):
        raise ValueError(  # noqa: TRY004 - an error of the file
            f"invalid value {sections!r:.100} of {_SECTIONS!r}: expected a section for each "
            "challenge"
        )
    is_divided = _SECTIONS in content or not (content.keys() & known)
    names = [name for name, value in sections.items() if isinstance(value, Mapping)]
    if not is_divided or not names:
        if challenge is not None:
            raise ValueError(
                f"it has no sections, of which {challenge!r} could be selected: omit the argument "
                "`challenge`"
            )
        return content
    if challenge is None and len(sections) > 1:
        raise ValueError(
            f"it has several challenges: select one of {', '.join(map(str, names))}, for "
            f"example create_challenge_dag(path, challenge={names[0]!r})"
        )
    name = names[0] if challenge is None else challenge
    if name not in names:
        found = (
            f": its value is {sections[name]!r:.100}, not a section" if name in sections else ""
        )
        raise ValueError(
            f"it has no challenge {name!r}{found}; expected one of {', '.join(map(str, names))}"
        )
    return {"dag_id": str(name), **sections[name]}


def translate_config(section: Mapping[str, Any]) -> ChallengeConfig:
    """Return the settings of a section with the keys of `ChallengeSettings`.

    Unknown keys are kept.

    Raises:
        ValueError: Two keys set the same setting, or `dag_config` is not a section.
    """
    config = ChallengeConfig({}, {})
    view = None
    for path, value in _flatten(section).items():
        key = path.rpartition(".")[2]
        name = _NAMES.get(key, key)
        if key in _VIEWS:
            view = str(value)
        elif key in _NEXTFLOW or key.startswith(_NEXTFLOW_PREFIXES):
            config.nextflow.append(path)
        elif key in _DAG_ARGUMENTS:
            config.dag_arguments.append(path)
        elif name in config.settings:
            raise ValueError(f"{config.names.get(name, name)!r} and {path!r} are the same setting")
        else:
            config.settings[name] = value
            if path != name:
                config.names[name] = path
    return replace(config, view=view)


def _flatten(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a section and of its sections for the DAG by their paths."""
    values: dict[str, Any] = {}
    for key, value in section.items():
        if key not in _DAG_SECTIONS:
            values[str(key)] = value
        elif isinstance(value, Mapping):
            values |= {f"{key}.{name}": one for name, one in _flatten(value).items()}
        else:
            raise ValueError(f"invalid value {value!r:.100} of {key!r}: expected a section")
    return values

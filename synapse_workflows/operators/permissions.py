"""Operator that sets the permissions of users and teams on an entity."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.idempotency.permission_grants import GrantMode, Grants
from synapse_workflows.idempotency.permission_writer import (
    IfInherited,
    PermissionOptions,
    PermissionWriter,
    SynapsePermissions,
)
from synapse_workflows.operator_arguments import (
    InvalidArgumentError,
    check_choice,
    check_flags,
)
from synapse_workflows.operators.base import SynapseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseSetPermissionsOperator(SynapseOperator):
    """Set the permissions of users and teams on an entity, all grants in one request.

    The access control list is changed only if it differs. Changes that other clients make at the
    same time for other users and teams are kept, unless `mode="replace"`.

    The task fails, and changes nothing, if the public would get READ or all signed-in users more
    than READ, unless `allow_public=True`; or if the account of the connection would lose its
    CHANGE_PERMISSIONS. A dry run fails in the same cases.

    Returns what has changed (`SynapsePermissions`): `id`, `acl_id` (the entity whose list was
    changed), `action` (`create`, `update` or `none`), `changes` (`principal_id`, `principal`,
    `before`, `after`) and `dry_run`.

    Args:
        entity_id: The entity, without a version: permissions apply to all versions (templated).
        grants: Access types by user or team: `{"team:My Team": ["READ", "DOWNLOAD"]}`. The keys
            are principal IDs, names of users or teams, also with the prefix `user:` or `team:`,
            `public` for everyone, or `authenticated` for all signed-in users. An empty list
            revokes all access types. Or a list of dictionaries: `[{"principal": "alice",
            "access": ["READ"]}]` (templated, including the keys).
        mode: `set` replaces the access types of the users and teams in `grants`, `add` adds to
            them; both keep all other users and teams. `replace` removes all others.
        if_inherited: What to do with an entity that inherits its permissions: `fail`; `create`
            gives it an access control list of its own, which starts as a copy of the inherited
            one; `benefactor` changes the list that it inherits, also for all others that do.
        allow_public: Whether the public may get READ, and all signed-in users more than READ.
        dry_run: Whether to return the changes without making them.
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: Invalid `mode`, `if_inherited`, `allow_public` or `dry_run`.
    """

    template_fields: Sequence[str] = ("entity_id", "grants", *SynapseOperator.template_fields)
    data_fields: ClassVar[Sequence[str] | None] = ("entity_id",)
    template_fields_renderers = {"grants": "json"}  # noqa: RUF012 - as Airflow declares it

    def __init__(
        self,
        *,
        entity_id: Any,
        grants: Any,
        mode: GrantMode = "set",
        if_inherited: IfInherited = "fail",
        allow_public: bool = False,
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice(mode, "mode", GrantMode)
        check_choice(if_inherited, "if_inherited", IfInherited)
        check_flags(allow_public=allow_public, dry_run=dry_run)
        self.entity_id = entity_id
        self.grants = grants
        self.mode: GrantMode = mode
        self.if_inherited: IfInherited = if_inherited
        self.allow_public = allow_public
        self.is_dry_run = dry_run

    def render_template(self, content: Any, *args: Any, **kwargs: Any) -> Any:
        """Render a template as `BaseOperator` does, and also the keys of a dictionary.

        Raises:
            InvalidArgumentError: Two keys are equal after rendering.
        """
        rendered = super().render_template(content, *args, **kwargs)
        if not isinstance(content, dict):
            return rendered
        result: dict[Any, Any] = {}
        for key, value in rendered.items():
            new_key = super().render_template(key, *args, **kwargs)
            if new_key in result:
                raise InvalidArgumentError(
                    f"Invalid grants: {new_key!r} is given more than once. Give each user or team "
                    "once"
                )
            result[new_key] = value
        return result

    def execute(self, context: "Context") -> SynapsePermissions:
        """Set the permissions and return what has changed."""
        entity_id = parse_unversioned_id(self.entity_id, "entity_id")
        grants = Grants.parse(self.grants, self.mode)
        options = PermissionOptions(self.if_inherited, self.allow_public, self.is_dry_run)
        self.set_map_index_name(context, entity_id)
        with self.entity_link(entity_id):
            result = PermissionWriter(self.hook.client, entity_id, grants, options).write()
        for change in result["changes"]:
            self.log.info(
                "%s%s: %s has %s instead of %s",
                "Dry run of " if result["dry_run"] else "",
                result["acl_id"],
                change["principal"],
                ", ".join(change["after"]) or "no access",
                ", ".join(change["before"]) or "no access",
            )
        self.push_items(context, result)
        return result

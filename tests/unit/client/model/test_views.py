"""Tests of entity views and submission views: scope, entity types and columns."""

import inspect
import pickle

import pytest

from synapse_workflows import Entity, EntityViewSchema, Project, SubmissionViewSchema
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.views import EntityViewType
from synapse_workflows.constants import ENTITY_VIEW, SUBMISSION_VIEW

VIEWS = [EntityViewSchema, SubmissionViewSchema]


def entity_view(**kwargs):
    return EntityViewSchema("v", parent="syn1", **kwargs)


def submission_view(**kwargs):
    return SubmissionViewSchema("v", parent="syn1", **kwargs)


def signature(kind):
    return {
        name: parameter.default
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


def test_arguments_match_compatibility_surface():
    shared = {
        "name": None, "columns": None, "parent": None, "scopes": None,
        "addDefaultViewColumns": True, "addAnnotationColumns": True,
        "ignoredAnnotationColumnNames": (), "properties": None, "annotations": None,
        "local_state": None,
    }  # fmt: skip
    assert list(signature(SubmissionViewSchema).items()) == list(shared.items())
    found = signature(EntityViewSchema)
    assert list(found)[4:6] == ["type", "includeEntityTypes"]
    assert {name: found[name] for name in shared} == shared


def test_entity_types_are_combined_into_mask():
    assert entity_view().viewTypeMask == 1
    types = [EntityViewType.FILE, EntityViewType.FOLDER, EntityViewType.DOCKER]
    assert entity_view(includeEntityTypes=types).viewTypeMask == 41
    olds = ("file", "project", "file_and_table")
    with pytest.warns(DeprecationWarning, match="type is deprecated"):
        assert [entity_view(type=one).viewTypeMask for one in olds] == [1, 2, 5]
    view = entity_view()
    view.set_entity_types([EntityViewType.TABLE, EntityViewType.VIEW])
    assert view.viewTypeMask == 20
    for wrong in ([1], ["file"], []):
        with pytest.raises(ValueError, match="EntityViewType"):
            entity_view(includeEntityTypes=wrong)
    with pytest.raises(ValueError, match="Invalid type"):
        entity_view(type="folder")


def test_mask_returned_by_synapse_is_kept():
    """Including bits without an EntityViewType, such as datasets."""
    known = {"concreteType": ENTITY_VIEW, "id": "syn5", "parentId": "syn1", "viewTypeMask": 0x81}
    assert Entity.create(known).viewTypeMask == 0x81


def test_add_scope_appends_ids():
    view = entity_view(scopes=["syn2"])
    view.add_scope("syn3")
    view.add_scope(["syn4", Project("p", id="syn5")])
    view.add_scope(one for one in ("syn6",))
    assert view.scopeIds == ["syn2", "syn3", "syn4", "syn5", "syn6"]


def test_scope_of_submission_view_must_be_evaluations():
    view = submission_view(scopes=[9600001, "9600002", {"id": "9600003", "name": "e"}])
    view.add_scope({"id": 9600004})
    assert view.scopeIds == ["9600001", "9600002", "9600003", "9600004"]
    assert "viewTypeMask" not in view
    for wrong in ("syn5", Project("p", id="syn5"), ["1", "dog"]):
        with pytest.raises(ValueError, match="Invalid evaluation ID"):
            submission_view(scopes=wrong)
    with pytest.raises(ValueError, match="couldn't find id"):
        submission_view(scopes={"name": "never stored"})


def test_column_request_identifies_view_type():
    mask = entity_view(includeEntityTypes=[EntityViewType.PROJECT]).to_column_request()
    assert mask == {"viewEntityType": "entityview", "viewTypeMask": 2}
    assert submission_view().to_column_request() == {"viewEntityType": "submissionview"}


@pytest.mark.parametrize(
    ("kind", "concrete_type", "scope"),
    [(EntityViewSchema, ENTITY_VIEW, "syn2"), (SubmissionViewSchema, SUBMISSION_VIEW, "96")],
)
def test_views_are_entities(kind, concrete_type, scope):
    view = kind("v", [Column(name="a", columnType="STRING"), "7"], parent="syn1", scopes=scope,
                colour="blue")  # fmt: skip
    assert (view.concreteType, view.scopeIds, view.columnIds) == (concrete_type, [scope], ["7"])
    assert view.annotations == {"colour": "blue"}
    assert not {"addDefaultViewColumns", "ignoredAnnotationColumnNames"} & set(view)
    found = Entity.create({**view.properties, "id": "syn5"}, {"colour": ["blue"]})
    assert type(found) is kind
    assert found.deleteURI(3) == "/entity/syn5/version/3"
    copied = pickle.loads(pickle.dumps(found))  # noqa: S301
    assert (type(copied), copied.scopeIds) == (kind, [scope])


@pytest.mark.parametrize("kind", VIEWS)
def test_columns_are_added_to_new_views_only(kind):
    def flags(view):
        return view.addDefaultViewColumns, view.addAnnotationColumns

    assert flags(kind("v", parent="syn1")) == (True, True)
    assert flags(kind("v", parent="syn1", addAnnotationColumns=False)) == (True, False)
    assert flags(kind("v", parent="syn1", id="syn5")) == (False, False)
    concrete_type = kind("v", parent="syn1").concreteType
    found = Entity.create({"concreteType": concrete_type, "id": "syn5", "parentId": "syn1"})
    assert flags(found) == (False, False)


def test_views_do_not_share_state():
    for kind in VIEWS:
        one, two = kind("a", parent="syn1"), kind("b", parent="syn1")
        one.add_scope("5")
        one.ignoredAnnotationColumnNames.add("x")
        assert (two.scopeIds, two.ignoredAnnotationColumnNames) == ([], set())


def test_one_entity_type_needs_no_list():
    view = entity_view(includeEntityTypes=EntityViewType.FOLDER)
    assert view.viewTypeMask == 8
    with pytest.raises(ValueError, match="Invalid entity type None"):
        view.set_entity_types(None)

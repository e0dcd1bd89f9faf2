"""Tests of dictionaries whose items are attributes."""

import json
import pickle

import pytest

from synapse_workflows.client.model.users import UserGroupHeader, UserProfile


def test_items_are_attributes():
    profile = UserProfile(ownerId="7", userName="alice")
    profile.company = "Sage"
    assert profile["company"] == profile.company == "Sage"
    del profile.company
    assert profile == {"ownerId": "7", "userName": "alice"}
    for look in (lambda: profile.company, lambda: delattr(profile, "company")):
        with pytest.raises(AttributeError, match="'UserProfile' object has no attribute"):
            look()


def test_str_is_sorted_json():
    header = UserGroupHeader({"userName": "ålice", "isIndividual": True})
    assert str(header) == '{\n  "isIndividual": true,\n  "userName": "\\u00e5lice"\n}'
    assert json.loads(header.json(ensure_ascii=False)) == header
    assert repr(header) == "UserGroupHeader({'userName': 'ålice', 'isIndividual': True})"


def test_copies_keep_class():
    profile = UserProfile(ownerId="7")
    for copied in (profile.copy(), pickle.loads(pickle.dumps(profile))):  # noqa: S301
        assert type(copied) is UserProfile
        assert copied == profile

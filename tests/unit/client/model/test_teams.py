"""Teams, members and evaluations as values."""

import copy

import pytest

from synapse_workflows import Evaluation, Project, Team, TeamMember, UserGroupHeader


def test_member_is_a_header():
    member = TeamMember(teamId="1", isAdmin=True, member={"ownerId": "2", "userName": "ann"})
    assert isinstance(member.member, UserGroupHeader)
    assert (member.member.userName, member.isAdmin) == ("ann", True)
    assert type(copy.deepcopy(member).member) is UserGroupHeader


@pytest.mark.parametrize(
    ("obj", "uris"),
    [
        (Team(id="1", name="A"), ("/team", "/team", "/team/1", "/team/1/acl", "/team/acl")),
        (
            Evaluation(id="2", name="Q", contentSource="syn1"),
            (
                "/evaluation",
                "/evaluation/2",
                "/evaluation/2",
                "/evaluation/2/acl",
                "/evaluation/acl",
            ),
        ),
    ],
)
def test_paths_of_the_rest_api(obj, uris):
    found = (obj.postURI(), obj.putURI(), obj.deleteURI(), obj.getACLURI(), obj.putACLURI())
    assert found == uris


def test_content_source_may_be_a_project():
    evaluation = Evaluation(name="Q", contentSource=Project(name="P", id="syn1"))
    assert evaluation.contentSource == "syn1"
    assert evaluation.copy() == evaluation
    assert type(evaluation.copy()) is Evaluation
    assert Evaluation.getByNameURI("a/b c") == "/evaluation/name/a%2Fb%20c"

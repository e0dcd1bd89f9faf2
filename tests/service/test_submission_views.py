"""Submission views: rows, columns, permissions, row updates and snapshots."""

import pytest
from support.entity_api import REPO, unique_name
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.constants import SUBMISSION_VIEW

DEFAULTS = [
    ("id", "SUBMISSIONID", None), ("name", "STRING", 256), ("createdOn", "DATE", None),
    ("createdBy", "USERID", None), ("etag", "STRING", 36), ("modifiedOn", "DATE", None),
    ("projectId", "ENTITYID", None), ("status", "STRING", 50),
    ("evaluationid", "EVALUATIONID", None), ("evaluationroundid", "INTEGER", None),
    ("submitterid", "USERID", None), ("submitteralias", "STRING", 500),
    ("entityid", "ENTITYID", None), ("entityversion", "INTEGER", None),
    ("dockerrepositoryname", "STRING", 400), ("dockerdigest", "STRING", 200),
]  # fmt: skip


def list_default_columns(author):
    return ok(author.get(f"{REPO}/column/tableview/defaults?viewEntityType=submissionview"))[
        "list"
    ]


class Challenge:
    """An evaluation of Alice with one submission, and a view of it."""

    def __init__(self, ann, tables):
        self.ann, self.tables = ann, tables
        self.project = ann.new_project()["id"]
        self.queue = self.create_evaluation()
        self.file = ann.new_file(self.project, name="answer")
        self.submission = self.submit()
        self.columns = [
            tables.create_column("name", maximumSize=256)["id"],
            *(
                tables.create_column(*each)["id"]
                for each in (("score", "DOUBLE"), ("n", "INTEGER"))
            ),
            tables.create_column("words", "STRING_LIST")["id"],
        ]
        self.id = self.create_view(self.queue)

    def create_evaluation(self):
        body = {"name": unique_name("queue"), "contentSource": self.project}
        return ok(self.ann.post(f"{REPO}/evaluation", body))["id"]

    def submit(self, author=None, queue=None, file=None, **more):
        author, file = author or self.ann, file or self.file
        body = {
            "evaluationId": queue or self.queue,
            "entityId": file["id"],
            "versionNumber": 1,
            **more,
        }
        path = f"{REPO}/evaluation/submission?etag={author.entity(file['id'])['etag']}"
        return ok(author.post(path, body))["id"]

    def create_view(self, *scope, columns=None):
        ids = self.columns if columns is None else columns
        body = {"scopeIds": list(scope), "columnIds": ids}
        return self.ann.make(SUBMISSION_VIEW, self.tables.project, **body)["id"]

    def get_status(self, submission=None, author=None):
        path = f"{REPO}/evaluation/submission/{submission or self.submission}/status"
        return ok((author or self.ann).get(path))

    def annotate(self, submission=None, **values):
        """Replace the annotations of a submission by (type, value, ...)."""
        body = self.get_status(submission)
        annotations = {key: {"type": kind, "value": rest} for key, (kind, *rest) in values.items()}
        body["submissionAnnotations"] = {"annotations": annotations}
        return ok(self.ann.put(f"{REPO}/evaluation/submission/{body['id']}/status", body))

    def get_annotations(self, submission=None):
        annotations = self.get_status(submission)["submissionAnnotations"]["annotations"]
        return {key: (each["type"], each["value"]) for key, each in annotations.items()}

    def share(self, rights, queue=None):
        path = f"{REPO}/evaluation/{queue or self.queue}/acl"
        acl = ok(self.ann.get(path))
        own = [each for each in acl["resourceAccess"] if each["principalId"] == self.ann.id]
        others = [{"principalId": key, "accessType": value} for key, value in rights.items()]
        ok(self.ann.put(f"{REPO}/evaluation/acl", {**acl, "resourceAccess": own + others}))

    def build_rows(self, *rows):
        """Return an AppendableRowSetRequest for rows of (row ID, etag, cells)."""
        change = self.tables.partial(self.id, *((row[0], row[2]) for row in rows))
        for created, (_, etag, _) in zip(change["toAppend"]["rows"], rows, strict=True):
            created["etag"] = etag
        return change

    def update(self, *rows, tables=None):
        response = (tables or self.tables).transact(self.id, self.build_rows(*rows))["results"][0]
        assert response["concreteType"] == f"{M}.EntityUpdateResults"
        return response["updateResults"]


@pytest.fixture
def challenge(ann, tables):
    return Challenge(ann, tables)


def test_submission_view_entity_has_scope_and_columns(challenge):
    created = challenge.ann.entity(challenge.id)
    assert created["concreteType"] == SUBMISSION_VIEW
    assert created["scopeIds"] == [challenge.queue]
    assert challenge.ann.change(created["id"], scopeIds=[])["scopeIds"] == []
    bundle = challenge.ann.post(
        f"{REPO}/entity/{created['id']}/bundle2",
        {"includeEntity": True, "includeTableBundle": True},
    )
    assert ok(bundle)["entityType"] == "submissionview"
    assert len(ok(bundle)["tableBundle"]["columnModels"]) == len(challenge.columns)


@pytest.mark.parametrize("scope", [["synsyn1"], ["nonsense"], [str(n) for n in range(1, 35_002)]])
def test_invalid_scope_returns_400(ann, tables, scope):
    assert_error(ann.try_make(SUBMISSION_VIEW, tables.project, scopeIds=scope), 400)


def test_default_columns_of_submission_views(ann):
    columns = list_default_columns(ann)
    assert [(c["name"], c["columnType"], c.get("maximumSize")) for c in columns] == DEFAULTS
    assert [c["name"] for c in columns if "enumValues" in c] == ["status"]
    assert list_default_columns(ann) == columns
    again = {key: value for key, value in columns[7].items() if key != "id"}
    assert ok(ann.post(f"{REPO}/column", again))["id"] == columns[7]["id"]


def test_row_shows_submission_and_current_status(challenge):
    ann, tables = challenge.ann, challenge.tables
    submission = challenge.submit(name="second try", submitterAlias="the ants")
    view = challenge.create_view(
        challenge.queue, columns=[each["id"] for each in list_default_columns(ann)]
    )
    rows = tables.row_set(f"select * from {view} order by id", includeEntityEtag=True)["rows"]
    assert [str(row["rowId"]) for row in rows] == sorted([challenge.submission, submission])
    status = challenge.get_status(submission)
    row = rows[-1]
    assert (row["versionNumber"], row["etag"]) == (status["statusVersion"], status["etag"])
    cells = dict(zip([c["name"] for c in tables.list_columns(view)], row["values"], strict=True))
    assert cells.pop("createdOn").isdecimal()
    assert cells.pop("modifiedOn").isdecimal()
    assert cells == {
        "id": submission, "name": "second try", "createdBy": str(ann.id),
        "etag": status["etag"], "projectId": challenge.project, "status": "RECEIVED",
        "evaluationid": challenge.queue, "evaluationroundid": None, "submitterid": str(ann.id),
        "submitteralias": "the ants", "entityid": challenge.file["id"], "entityversion": "1",
        "dockerrepositoryname": None, "dockerdigest": None,
    }  # fmt: skip
    sql = f"select ROW_ETAG, ROW_VERSION, status from {view} where id = {submission}"
    scored = ok(
        ann.put(
            f"{REPO}/evaluation/submission/{submission}/status", {**status, "status": "SCORED"}
        )
    )
    assert tables.query(sql) == [[scored["etag"], str(scored["statusVersion"]), "SCORED"]]


def test_rows_are_the_submissions_to_evaluations_in_scope(challenge):
    other = challenge.create_evaluation()
    assert challenge.tables.query(f"select name from {challenge.create_view(other)}") == []
    challenge.submit(queue=other, name="other")
    both = challenge.create_view(challenge.queue, other, "999999999")
    sql = f"select name from {both} order by name"
    assert challenge.tables.query(sql) == [["answer"], ["other"]]
    assert challenge.tables.query(f"select name from {challenge.id}") == [["answer"]]
    challenge.ann.delete(f"{REPO}/evaluation/{other}")
    assert challenge.tables.query(sql) == [["answer"]]


def test_rows_show_annotations_but_no_legacy_annotations(challenge):
    challenge.annotate(score=("DOUBLE", "0.5"), n=("LONG", "3"), words=("STRING", "a", "b"))
    body = challenge.get_status()
    legacy = {"doubleAnnos": [{"key": "score", "value": 0.9, "isPrivate": False}]}
    path = f"{REPO}/evaluation/submission/{body['id']}/status"
    ok(challenge.ann.put(path, {**body, "annotations": legacy}))
    sql = f"select score, n, words from {challenge.id}"
    assert challenge.tables.query(sql) == [["0.5", "3", '["a", "b"]']]
    body = challenge.get_status()
    del body["submissionAnnotations"]
    ok(challenge.ann.put(path, body))
    assert challenge.tables.query(sql) == [[None, None, None]]


def test_rows_require_read_private_submission(challenge, ben):
    ben_tables = type(challenge.tables)(ben)
    sql = f"select name from {challenge.id}"
    challenge.ann.share(challenge.id, {ben.id: ["READ"]})
    challenge.share({ben.id: ["READ", "SUBMIT"]})
    assert ben_tables.query(sql) == []
    challenge.share({ben.id: ["READ_PRIVATE_SUBMISSION"]})
    assert ben_tables.query(sql) == [["answer"]]
    assert ben_tables.bundle(sql)["queryCount"] == 1
    challenge.share({})
    assert ben_tables.query(sql) == []
    assert "answer" not in ben_tables.download(sql)


def test_view_of_unreadable_evaluation_has_no_rows(challenge, ben):
    project = ben.new_project()["id"]
    body = {"scopeIds": [challenge.queue], "columnIds": challenge.columns}
    view = ben.make(SUBMISSION_VIEW, project, **body)["id"]
    assert type(challenge.tables)(ben).query(f"select name from {view}") == []


def test_row_update_changes_annotations_of_submissions(challenge):
    number, status = int(challenge.submission), challenge.get_status()
    cells = {"score": "0.25", "n": "7", "words": '["x", "y"]', "name": "another"}
    assert challenge.update((number, status["etag"], cells)) == [
        {"entityId": challenge.submission}
    ]
    assert challenge.get_annotations() == {
        "score": ("DOUBLE", ["0.25"]), "n": ("LONG", ["7"]), "words": ("STRING", ["x", "y"]),
    }  # fmt: skip
    after = challenge.get_status()
    assert after["statusVersion"] == status["statusVersion"] + 1
    assert after["etag"] != status["etag"]
    assert after["status"] == "RECEIVED"
    sql = f"select name, score, n, words from {challenge.id}"
    assert challenge.tables.query(sql) == [["answer", "0.25", "7", '["x", "y"]']]
    challenge.update((number, after["etag"], {"n": None}))
    assert set(challenge.get_annotations()) == {"score", "words"}
    same = challenge.get_status()
    challenge.update((number, same["etag"], {"score": "0.25"}))
    assert challenge.get_status()["etag"] == same["etag"]


def test_downloaded_csv_can_be_uploaded(challenge):
    text = challenge.tables.download(
        f"select name, score from {challenge.id}", includeEntityEtag=True
    )
    header, line = text.splitlines()
    assert header == '"ROW_ID","ROW_VERSION","ROW_ETAG","name","score"'
    change = challenge.tables.csv(challenge.id, f'{header}\n{line.removesuffix(",")},"0.75"\n')
    challenge.tables.transact(challenge.id, change)
    assert challenge.get_annotations() == {"score": ("DOUBLE", ["0.75"])}


def test_rows_fail_independently(challenge, ben):
    other = challenge.create_evaluation()
    stale, bare, wrong, foreign, good = (
        challenge.submit(queue=queue) for queue in (None, None, None, other, None)
    )
    challenge.ann.share(challenge.id, {ben.id: ["READ", "UPDATE"]})
    challenge.share({ben.id: ["READ_PRIVATE_SUBMISSION", "UPDATE_SUBMISSION"]})
    challenge.share({ben.id: ["READ_PRIVATE_SUBMISSION"]}, other)

    def etag(submission):
        return challenge.get_status(submission)["etag"]

    results = challenge.update(
        (int(stale), "an old one", {"n": "1"}),
        (int(bare), None, {"n": "1"}),
        (int(wrong), etag(wrong), {"n": "many"}),
        (int(foreign), etag(foreign), {"n": "1"}),
        (999_999_999, "any", {"n": "1"}),
        (int(good), etag(good), {"n": "1"}),
        tables=type(challenge.tables)(ben),
    )
    assert [each.get("failureCode") for each in results] == [
        "CONCURRENT_UPDATE", "ILLEGAL_ARGUMENT", "ILLEGAL_ARGUMENT", "UNAUTHORIZED", "NOT_FOUND",
        None,
    ]  # fmt: skip
    assert all(each["failureMessage"] for each in results if "failureCode" in each)
    annotations = [challenge.get_annotations(each) for each in (stale, bare, wrong, foreign, good)]
    assert annotations == [{}, {}, {}, {}, {"n": ("LONG", ["1"])}]


def suggest_columns(tables, scope, **more):
    body = {
        "concreteType": f"{M}.ViewColumnModelRequest",
        "viewScope": {"scope": scope, "viewEntityType": "submissionview", **more},
    }
    return tables.run(f"{REPO}/column/view/scope", body)


def test_suggested_columns_match_the_annotations_in_scope(challenge, ben):
    challenge.annotate(n=("LONG", "1"), word=("STRING", "four"))
    second = challenge.submit()
    challenge.annotate(second, n=("LONG", "1", "2"), x=("DOUBLE", "1"))
    results = ok(suggest_columns(challenge.tables, [challenge.queue]))["results"]
    assert [(c["name"], c["columnType"], c.get("maximumSize")) for c in results] == [
        ("n", "INTEGER_LIST", None), ("word", "STRING", 4), ("x", "DOUBLE", None),
    ]  # fmt: skip
    ben_tables = type(challenge.tables)(ben)
    assert ok(suggest_columns(ben_tables, [challenge.queue]))["results"] == []
    assert_error(suggest_columns(challenge.tables, ["nonsense"]), 400)


def test_snapshot_preserves_rows_and_follows_changes_of_permissions(challenge, ben):
    tables, ann = challenge.tables, challenge.ann
    challenge.annotate(score=("DOUBLE", "0.5"))
    sql = f"select name, score from {challenge.id}"
    before = tables.row_set(sql, includeEntityEtag=True)["rows"]
    created = tables.transact(
        challenge.id, createSnapshot=True, snapshotOptions={"snapshotLabel": "round 1"}
    )
    assert created["snapshotVersionNumber"] == 1
    challenge.annotate(score=("DOUBLE", "1"))
    challenge.submit(name="late")
    snapshot_sql = f"select name, score from {challenge.id}.1"
    assert tables.row_set(snapshot_sql, includeEntityEtag=True)["rows"] == before
    assert tables.query(f"{sql} order by name") == [["answer", "1.0"], ["late", None]]
    ben_tables = type(tables)(ben)
    ann.share(challenge.id, {ben.id: ["READ"]})
    assert ben_tables.query(snapshot_sql) == []
    challenge.share({ben.id: ["READ_PRIVATE_SUBMISSION"]})
    assert ben_tables.query(snapshot_sql) == [["answer", "0.5"]]
    assert ann.entity(challenge.id)["versionNumber"] == 2


def test_scope_of_evaluations_accepts_the_prefix(challenge):
    body = {"scopeIds": [f"syn{challenge.queue}", "syn999"], "columnIds": challenge.columns}
    view = challenge.ann.make(SUBMISSION_VIEW, challenge.project, **body)
    assert view["scopeIds"] == [challenge.queue, "999"]

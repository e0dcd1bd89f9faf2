"""Generate `client_names.json`: names, arguments and defaults of the reference client.

    python tests/contract/make_client_names.py METHODS [OUTPUT]

METHODS is the description of the methods of the client, whose headings are signatures. Classes and
exceptions, which it describes in tables, are listed here. The table holds facts only.
"""

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_HEADING = re.compile(
    r"^### (synapseclient\.)?(\w+)\((.*?)\)(?: -> \w+)?(?: †)?(?: — .*)?$", re.MULTILINE
)
_PATH = re.compile(r"=(~/[\w./]+)")
#: Classes whose headings are methods of their own section.
_ACTIVITY = ("Activity", "used", "executed")

#: Arguments of the methods that take `**kwargs`.
KEYWORDS = {
    "get": "version downloadFile downloadLocation followLink ifcollision limitSearch",
    "getSubmission": "downloadFile downloadLocation ifcollision",
    "tableQuery": "limit offset isConsistent quoteCharacter escapeCharacter lineEnd separator "
    "header includeRowIdAndRowVersion downloadLocation",
    "createStorageLocationSetting": "endpointUrl bucket baseKey stsEnabled url supportsSubfolders "
    "secretKey proxyUrl benefactorId banner description",
}
_ENTITY = "properties=None, annotations=None, local_state=None"
_VIEW = "name=None, columns=None, parent=None, scopes=None"
_VIEW_COLUMNS = (
    "addDefaultViewColumns=True, addAnnotationColumns=True, ignoredAnnotationColumnNames=[], "
    f"{_ENTITY}, **kwargs"
)
_ANNOTATION_LISTS = "['longAnnos', 'doubleAnnos', 'stringAnnos']"
#: Constructors, methods and attributes of classes. An attribute has no parentheses.
CLASSES = {
    "Entity": [
        f"({_ENTITY}, parent=None, **kwargs)",
        "create(properties=None, annotations=None, local_state=None)",
        "postURI()",
        "putURI()",
        "deleteURI(versionNumber=None)",
        "keys()",
    ],
    "Project": [f"(name=None, {_ENTITY}, **kwargs)"],
    "Folder": [f"(name=None, parent=None, {_ENTITY}, **kwargs)"],
    "File": [f"(path=None, parent=None, synapseStore=True, {_ENTITY}, **kwargs)"],
    "Link": [f"(targetId=None, targetVersion=None, parent=None, {_ENTITY}, **kwargs)"],
    "DockerRepository": [f"(repositoryName=None, parent=None, {_ENTITY}, **kwargs)"],
    "Column": ["(**kwargs)"],
    "SelectColumn": ["(id=None, columnType=None, name=None)"],
    "Schema": [
        f"(name=None, columns=None, parent=None, {_ENTITY}, **kwargs)",
        "addColumn(column)",
        "addColumns(columns)",
        "removeColumn(column)",
        "has_columns()",
    ],
    "EntityViewSchema": [
        f"({_VIEW}, type=None, includeEntityTypes=None, {_VIEW_COLUMNS})",
        "add_scope(entities)",
        "set_entity_types(includeEntityTypes)",
    ],
    "SubmissionViewSchema": [
        f"({_VIEW}, {_VIEW_COLUMNS})",
        "add_scope(entities)",
    ],
    "EntityViewType": ["FILE", "PROJECT", "TABLE", "FOLDER", "VIEW", "DOCKER"],
    "Row": ["(values, rowId=None, versionNumber=None, etag=None)"],
    "RowSet": ["(columns=None, schema=None, **kwargs)"],
    "PartialRow": ["(values, rowId, etag=None, nameToColumnId=None)"],
    "PartialRowset": ["(schema, rows)", "from_mapping(mapping, originalQueryResult)"],
    "CsvFileTable": [
        "asDataFrame(rowIdAndVersionInIndex=True, convert_to_datetime=False)",
        "asRowSet()",
        "asInteger()",
        "iter_row_metadata()",
    ],
    "TableQueryResult": [
        "asDataFrame(rowIdAndVersionInIndex=True)",
        "asRowSet()",
        "asInteger()",
        "iter_row_metadata()",
    ],
    "Evaluation": [
        "(**kwargs)",
        "getURI(id)",
        "getByNameURI(name)",
        "postURI()",
        "putURI()",
        "deleteURI()",
        "getACLURI()",
        "putACLURI()",
    ],
    "Submission": ["(**kwargs)", "deleteURI()"],
    "SubmissionStatus": ["(id, etag, **kwargs)", "putURI()", "json(ensure_ascii=True)"],
    "Wiki": ["(**kwargs)", "update_markdown(markdown=None, markdown_file=None)"],
    "WikiAttachment": ["(**kwargs)"],
    "Team": [
        "(**kwargs)",
        "getURI(id)",
        "postURI()",
        "putURI()",
        "deleteURI()",
        "getACLURI()",
        "putACLURI()",
    ],
    "TeamMember": ["(**kwargs)"],
    "UserProfile": ["(**kwargs)"],
    "UserGroupHeader": ["(**kwargs)"],
    "Cache": [
        "contains(file_handle_id, path)",
        "get(file_handle_id, path=None)",
        "add(file_handle_id, path)",
        "remove(file_handle_id, path=None, delete=None)",
        "purge(before_date=None, after_date=None, dry_run=False)",
    ],
    "Annotations": ["(id, etag, values=None, **kwargs)"],
}
FUNCTIONS = [
    "Table(schema, values, **kwargs)",
    "build_table(name, parent, values)",
    "to_submission_status_annotations(annotations, is_private=True)",
    "from_submission_status_annotations(annotations)",
    f"set_privacy(annotations, key, is_private=True, value_types={_ANNOTATION_LISTS})",
]
#: Bases of the exceptions, besides `Exception`.
ERRORS = {
    "SynapseError": [],
    "SynapseMd5MismatchError": ["SynapseError", "OSError"],
    "SynapseFileNotFoundError": ["SynapseError"],
    "SynapseTimeoutError": ["SynapseError"],
    "SynapseAuthenticationError": ["SynapseError"],
    "SynapseNoCredentialsError": ["SynapseAuthenticationError"],
    "SynapseFileCacheError": ["SynapseError"],
    "SynapseMalformedEntityError": ["SynapseError"],
    "SynapseUnmetAccessRestrictions": ["SynapseError"],
    "SynapseProvenanceError": ["SynapseError"],
    "SynapseHTTPError": ["SynapseError", "requests.exceptions.HTTPError"],
    "SynapseUploadAbortedException": ["SynapseError"],
    "SynapseUploadFailedException": ["SynapseError"],
}


def read_methods(text: str) -> dict[str, str]:
    """Return the signatures in the headings, without annotations, by name.

    The function ``synapseclient.login`` has the key ``function login``. The method has the same
    name.
    """
    methods: dict[str, str] = {}
    for prefix, name, arguments in _HEADING.findall(text):
        signature = normalize(_PATH.sub(r"='\1'", arguments))
        key = f"function {name}" if prefix and name[0].islower() else name
        if signature is not None:
            methods.setdefault(key, signature)
    return methods


def normalize(arguments: str) -> str | None:
    """Return arguments without annotations; None if they are not arguments."""
    try:
        (function,) = ast.parse(f"def f({arguments}): ...").body
    except SyntaxError:
        return None
    assert isinstance(function, ast.FunctionDef)
    for node in ast.walk(function.args):
        if isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(function.args)


def make(text: str) -> dict[str, Any]:
    """Return the table."""
    methods = read_methods(text)
    functions = [f"login({methods.pop('function login')})", *FUNCTIONS]
    activity = {name: methods.pop(name) for name in _ACTIVITY}
    constructor = methods.pop("Synapse")
    methods["createColumn"] = (
        "name, columnType, maximumSize=None, defaultValue=None, enumValues=None"
    )
    classes: dict[str, list[str]] = {
        "Synapse": [f"({constructor})", *(f"{name}({one})" for name, one in methods.items())],
        "Activity": [
            f"({activity.pop('Activity')})",
            *(f"{name}({one})" for name, one in activity.items()),
        ],
        **CLASSES,
    }
    return {
        "classes": classes,
        "functions": functions,
        "keywords": {name: words.split() for name, words in KEYWORDS.items()},
        "errors": ERRORS,
    }


if __name__ == "__main__":
    output = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "client_names.json"
    table = make(Path(sys.argv[1]).read_text(encoding="utf-8"))
    output.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

"""Hypothesis strategies for cells of every column type."""

import json
import math
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [
        "",
        "a,b",
        'say "x"',
        "two\nlines",
        "back\\slash",
        "\\",
        '"',
        "\r\n",
        " 12 ",
        "true",
        "-7",
        "é",
    ]
)
INT64 = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)
ID = st.integers(1, 10**15)
JSON = st.dictionaries(TEXT, st.none() | st.booleans() | INT64 | TEXT, max_size=2)

FIRST_DAY, LAST_DAY = (
    datetime.fromtimestamp(day * 86400, UTC).replace(tzinfo=None) for day in (0, 47000)
)

#: Column type -> an invalid value.
INVALID = {
    "STRING": "x" * 1001,
    "INTEGER": "1.5",
    "DOUBLE": "1,5",
    "BOOLEAN": "yes",
    "DATE": "soon",
    "ENTITYID": "sin1",
    "USERID": str(2**63),
    "FILEHANDLEID": "f",
    "STRING_LIST": "[null]",
    "INTEGER_LIST": '["x"]',
    "BOOLEAN_LIST": "[5]",
    "DATE_LIST": "{}",
    "ENTITYID_LIST": '["sin1"]',
    "JSON": "5",
}


def serialize_double(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)


def unchanged(text: Any) -> tuple[str, str]:
    return text, text


def lists(items: Any, normalize: Any = lambda item: item) -> Any:
    return st.lists(items, min_size=1, max_size=3).map(
        lambda values: (json.dumps(values), json.dumps([normalize(item) for item in values]))
    )


def date_texts(date: datetime) -> tuple[str, str]:
    return date.strftime("%Y-%m-%d %H:%M:%S"), str(int(date.timestamp()) * 1000)


#: Column type -> strategy for pairs: text sent by the client, text returned by the service.
CELLS: dict[str, Any] = {
    "STRING": TEXT.map(unchanged),
    "LARGETEXT": TEXT.map(unchanged),
    "MEDIUMTEXT": TEXT.map(unchanged),
    "LINK": TEXT.map(unchanged),
    "INTEGER": INT64.flatmap(
        lambda n: st.sampled_from([(str(n), str(n)), (f" {n} ", str(n)), (f"{n:+d}", str(n))])
    ),
    "DOUBLE": st.floats().map(serialize_double).map(unchanged)
    | st.sampled_from([("1e3", "1000.0"), ("5", "5.0")]),
    "BOOLEAN": st.sampled_from([("true", "true"), ("FALSE", "false")]),
    "DATE": INT64.map(str).map(unchanged)
    | st.datetimes(FIRST_DAY, LAST_DAY, timezones=st.just(UTC)).map(date_texts),
    "ENTITYID": ID.flatmap(
        lambda n: st.sampled_from([(f"syn{n}", f"syn{n}"), (str(n), f"syn{n}")])
    ),
    "USERID": ID.map(str).map(unchanged),
    "SUBMISSIONID": ID.map(str).map(unchanged),
    "EVALUATIONID": ID.map(str).map(unchanged),
    "STRING_LIST": lists(TEXT),
    "INTEGER_LIST": lists(INT64),
    "BOOLEAN_LIST": lists(st.booleans()),
    "DATE_LIST": lists(INT64),
    "USERID_LIST": lists(ID),
    "ENTITYID_LIST": lists(ID.map(str), "syn{}".format),
    "JSON": JSON.map(json.dumps).map(unchanged),
}  # fmt: skip

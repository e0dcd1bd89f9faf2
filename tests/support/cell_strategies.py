"""Random cells of every type: the text that goes in, and the one that comes out."""

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
LONG = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)
ID = st.integers(1, 10**15)
JSON = st.dictionaries(TEXT, st.none() | st.booleans() | LONG | TEXT, max_size=2)

FIRST_DAY, LAST_DAY = (
    datetime.fromtimestamp(day * 86400, UTC).replace(tzinfo=None) for day in (0, 47000)
)

#: What is no value of a column of the type.
BAD = {
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


def double(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)


def same(text: Any) -> tuple[str, str]:
    return text, text


def listed(items: Any, each: Any = lambda item: item) -> Any:
    return st.lists(items, min_size=1, max_size=3).map(
        lambda some: (json.dumps(some), json.dumps([each(item) for item in some]))
    )


def day(moment: datetime) -> tuple[str, str]:
    return moment.strftime("%Y-%m-%d %H:%M:%S"), str(int(moment.timestamp()) * 1000)


#: Type -> (text that goes in, text that comes out).
CELLS: dict[str, Any] = {
    "STRING": TEXT.map(same),
    "LARGETEXT": TEXT.map(same),
    "MEDIUMTEXT": TEXT.map(same),
    "LINK": TEXT.map(same),
    "INTEGER": LONG.flatmap(
        lambda n: st.sampled_from([(str(n), str(n)), (f" {n} ", str(n)), (f"{n:+d}", str(n))])
    ),
    "DOUBLE": st.floats().map(double).map(same)
    | st.sampled_from([("1e3", "1000.0"), ("5", "5.0")]),
    "BOOLEAN": st.sampled_from([("true", "true"), ("FALSE", "false")]),
    "DATE": LONG.map(str).map(same)
    | st.datetimes(FIRST_DAY, LAST_DAY, timezones=st.just(UTC)).map(day),
    "ENTITYID": ID.flatmap(
        lambda n: st.sampled_from([(f"syn{n}", f"syn{n}"), (str(n), f"syn{n}")])
    ),
    "USERID": ID.map(str).map(same),
    "SUBMISSIONID": ID.map(str).map(same),
    "EVALUATIONID": ID.map(str).map(same),
    "STRING_LIST": listed(TEXT),
    "INTEGER_LIST": listed(LONG),
    "BOOLEAN_LIST": listed(st.booleans()),
    "DATE_LIST": listed(LONG),
    "USERID_LIST": listed(ID),
    "ENTITYID_LIST": listed(ID.map(str), "syn{}".format),
    "JSON": JSON.map(json.dumps).map(same),
}  # fmt: skip

"""Script that calls a scorer function in a process of its own.

`scorer_program` runs this file as `python -P callable_runner.py PAYLOAD RESULTS`. The payload is
the function and its arguments, serialized with dill. The returned value is written as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

#: Exit code if the returned value is not JSON (EX_DATAERR of sysexits.h).
NOT_JSON: Final = 65


def main() -> None:
    """Call the function of the payload, and write what it returned."""
    import dill

    payload, results = map(Path, sys.argv[1:])
    function, arguments = dill.loads(payload.read_bytes())  # noqa: S301 - written by the task
    returned = function(**arguments)
    try:
        text = json.dumps(returned, default=_to_builtin, indent=2)
    except (TypeError, ValueError, RecursionError) as error:
        sys.stderr.write(f"The function returned a value that is not JSON: {error}\n")
        sys.exit(NOT_JSON)
    results.write_text(text)


def _to_builtin(value: Any) -> Any:
    """Convert a NumPy scalar or array, or a value of another library with `tolist`."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


if __name__ == "__main__":
    main()

"""Tracebacks with local variables, as tools for debugging show them."""

import traceback


def format_traceback(error: BaseException, test_file: str) -> str:
    """Return the traceback of an error and of its causes, with local variables.

    Args:
        error: The error.
        test_file: The file of the test, whose frames are left out.
    """
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    pending = [report]
    while pending:
        one = pending.pop()
        frames = [frame for frame in one.stack if frame.filename != test_file]
        one.stack = traceback.StackSummary.from_list(frames)
        pending += [each for each in (one.__cause__, one.__context__) if each is not None]
    return "".join(report.format())

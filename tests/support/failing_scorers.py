"""Scorers that fail. The module imports little, because each call starts a process."""

import os
import time


def score_one(predictions) -> dict:
    return {"auc": 0.5}


def crash(predictions):
    raise KeyError("column")


def exceed_time(predictions):
    time.sleep(600)


def exceed_memory(predictions):
    return {"n": len(bytearray(10**9))}


def end_process(predictions):
    os._exit(0)


def return_none(predictions):
    return None


def return_nan(predictions):
    return {"auc": float("nan")}


def return_huge(predictions):
    return {"auc": 10**30}


def return_infinity(predictions):
    return {"auc": 1e308 * 10}


def return_text(predictions):
    return {"auc": "0.5"}


def return_nested(predictions):
    return {"auc": 0.5, "folds": {"a": 1}}


def return_bad_name(predictions):
    return {"auc (test)": 0.5}


def return_object(predictions):
    return {"auc": object()}


def return_invalid(predictions):
    return {"auc": 0.5, "score_status": "INVALID", "score_errors": "could not be scored"}


def return_repeated_key(predictions):
    return {1: 0.5, "1": 0.7}


def delete_folder(predictions):
    import shutil

    shutil.rmtree(predictions.parent.parent)
    return {"auc": 0.5}

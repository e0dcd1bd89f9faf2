"""The configuration file, ~/.synapseConfig: INI, shared with the official clients."""

import os
from configparser import DuplicateOptionError, DuplicateSectionError, Error, RawConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from synapse_workflows.client.errors import SynapseConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PATH: Final = "~/.synapseConfig"
#: Sections that may hold the login; the second is the one the official client writes today.
LOGIN_SECTIONS: Final = ("authentication", "default")
_EMPTY: "Mapping[str, str]" = MappingProxyType({})


@dataclass(frozen=True)
class Config:
    """What a configuration file says of a client.

    Args:
        path: The file, whether it is there or not.
        endpoints: Base URLs by lower-case option name (``repoendpoint``).
        cache_location: Directory of the cache.
        max_threads: Threads for transfers, as written.
        use_boto_sts: Whether transfers use temporary AWS credentials.
        debug: Whether there is a section ``[debug]``.
        login: ``username``, ``authtoken``, and the retired ``password`` and ``apikey``.
    """

    path: str
    endpoints: "Mapping[str, str]" = field(default_factory=dict)
    cache_location: str | None = None
    max_threads: int | None = None
    use_boto_sts: bool = False
    debug: bool = False
    login: "Mapping[str, str]" = field(default_factory=dict, repr=False)


def expand_path(path: str | Path) -> str:
    """Write a path out in full: ``~`` and environment variables."""
    return os.path.expandvars(Path(path).expanduser())


def read_file(path: str | Path) -> RawConfigParser:
    """Read an INI file without interpolation; a missing file is an empty one.

    Raises:
        SynapseConfigError: It cannot be read or parsed. The message quotes no line of it, for a
            line may hold a token.
    """
    parser = RawConfigParser()
    where = expand_path(path)
    try:
        parser.read_string(Path(where).read_text(encoding="utf-8-sig"), source=where)
    except FileNotFoundError:
        pass
    except (OSError, UnicodeError) as failed:
        raise SynapseConfigError(
            f"Error parsing Synapse config file: {where}\nIt cannot be read ({_why(failed)})."
        ) from None
    except Error as failed:
        raise SynapseConfigError(
            f"Error parsing Synapse config file: {where}\n{_what_is_wrong(failed)}"
        ) from None
    return parser


def parse_config(parser: RawConfigParser, path: str | Path = DEFAULT_PATH) -> Config:
    """Take out of a parsed file what a client needs.

    Raises:
        SynapseConfigError: A setting that makes no sense.
    """
    where = expand_path(path)
    return Config(
        path=where,
        endpoints=_section(parser, "endpoints"),
        cache_location=_section(parser, "cache").get("location") or None,
        max_threads=_whole_number(_section(parser, "transfer").get("max_threads"), where),
        use_boto_sts=_truth(_section(parser, "transfer").get("use_boto_sts"), where),
        debug=parser.has_section("debug"),
        login=next((s for name in LOGIN_SECTIONS if (s := _section(parser, name))), _EMPTY),
    )


def _section(parser: RawConfigParser, name: str) -> "Mapping[str, str]":
    return dict(parser.items(name)) if parser.has_section(name) else _EMPTY


def _whole_number(text: str | None, where: str) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        raise SynapseConfigError(
            f"Invalid transfer.max_threads config setting {text}\n"
            f"Give a whole number from 1 to 128 in section [transfer] of {where}."
        ) from None


def _truth(text: str | None, where: str) -> bool:
    value = (text or "false").strip().lower()
    if value not in {"true", "false"}:
        raise SynapseConfigError(
            f"Invalid transfer.use_boto_sts config setting {text}\n"
            f"Give true or false in section [transfer] of {where}."
        )
    return value == "true"


def _why(failed: Exception) -> str:
    return getattr(failed, "strerror", None) or type(failed).__name__


def _what_is_wrong(failed: Error) -> str:
    if isinstance(failed, DuplicateOptionError):
        return f"Line {failed.lineno}: {failed.option} stands twice in [{failed.section}]."
    if isinstance(failed, DuplicateSectionError):
        return f"Line {failed.lineno}: there are two sections [{failed.section}]."
    numbers = [number for number, _ in getattr(failed, "errors", [])]
    numbers = numbers or [getattr(failed, "lineno", None)]
    lines = ", ".join(str(number) for number in numbers if number)
    return f"Line {lines or '?'} is neither [section] nor key = value."

"""The configuration file, ~/.synapseConfig: INI, shared with the official clients."""

import os
from configparser import DuplicateOptionError, DuplicateSectionError, Error, RawConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from synapse_workflows.client.core.redaction import Secret
from synapse_workflows.client.errors import SynapseConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PATH: Final = "~/.synapseConfig"
DEFAULT_PROFILE: Final = "default"
#: Sections of the default profile; the first that is not empty counts, as in the official client.
_DEFAULT_SECTIONS: Final = ("default", "authentication")
#: Sections of the other profiles, as in the official client: ``[profile bob]``.
_PROFILE_SECTION: Final = "profile "
_SECRET_OPTIONS: Final = frozenset({"authtoken", "password", "apikey"})
_EMPTY: "Mapping[str, str]" = MappingProxyType({})


@dataclass(frozen=True)
class Config:
    """Settings of a client from a configuration file.

    Args:
        path: Path of the file. The file does not have to exist.
        endpoints: Base URLs by lower-case option name (``repoendpoint``).
        cache_location: Root directory of the cache.
        max_threads: Number of threads for transfers.
        use_boto_sts: Whether transfers use temporary AWS credentials.
        debug: Whether the file has a section ``[debug]``.
        profiles: Login settings by name of the profile: ``username``, ``authtoken``, ``password``
            and ``apikey``. The name of the default profile is ``default``.
    """

    path: str
    endpoints: "Mapping[str, str]" = field(default_factory=dict)
    cache_location: str | None = None
    max_threads: int | None = None
    use_boto_sts: bool = False
    debug: bool = False
    profiles: "Mapping[str, Mapping[str, str]]" = field(default_factory=dict)


def expand_path(path: str | Path) -> str:
    """Expand ``~`` and environment variables in a path. An unknown ``~user`` is left unchanged."""
    return str(Path(os.path.expandvars(os.path.expanduser(path))))  # noqa: PTH111


def read_file(path: str | Path) -> RawConfigParser:
    """Read an INI file without interpolation; a missing file counts as empty.

    Raises:
        SynapseConfigError: The file cannot be read or parsed. The message does not quote lines,
            because they may contain a token.
    """
    parser = RawConfigParser()
    full_path = expand_path(path)
    problem = None
    try:
        parser.read_string(Path(full_path).read_text(encoding="utf-8-sig"), source=full_path)
    except (OSError, UnicodeError) as error:
        if not _is_out_of_reach(full_path, error):
            problem = f"It cannot be read ({_reason(error)})."
    except Error as error:
        problem = _describe(error)
    if problem is not None:
        # Raised here, because the original error quotes the lines.
        raise SynapseConfigError(f"Error parsing Synapse config file: {full_path}\n{problem}")
    return parser


def _is_out_of_reach(path: str, error: Exception) -> bool:
    """Return whether a file is missing, or below a home directory such as /dev/null or /root."""
    if isinstance(error, PermissionError):
        return not os.access(Path(path).parent, os.X_OK)
    return isinstance(error, FileNotFoundError | NotADirectoryError)


def parse_config(parser: RawConfigParser, path: str | Path = DEFAULT_PATH) -> Config:
    """Read the settings of a client from a parsed file.

    Raises:
        SynapseConfigError: A setting is invalid.
    """
    full_path = expand_path(path)
    return Config(
        path=full_path,
        endpoints=_section(parser, "endpoints"),
        cache_location=_section(parser, "cache").get("location") or None,
        max_threads=_parse_int(_section(parser, "transfer").get("max_threads"), full_path),
        use_boto_sts=_parse_bool(_section(parser, "transfer").get("use_boto_sts"), full_path),
        debug=parser.has_section("debug"),
        profiles=_profiles(parser),
    )


def _profiles(parser: RawConfigParser) -> "Mapping[str, Mapping[str, str]]":
    sections = {
        name.removeprefix(_PROFILE_SECTION).strip(): name
        for name in parser.sections()
        if name.startswith(_PROFILE_SECTION)
    }
    default = next((name for name in _DEFAULT_SECTIONS if _section(parser, name)), None)
    if default is not None:
        sections[DEFAULT_PROFILE] = default
    return {name: _login_settings(parser, section) for name, section in sections.items()}


def _login_settings(parser: RawConfigParser, section: str) -> "Mapping[str, str]":
    return {
        option: Secret(text) if option in _SECRET_OPTIONS else text
        for option, text in _section(parser, section).items()
    }


def _section(parser: RawConfigParser, name: str) -> "Mapping[str, str]":
    return dict(parser.items(name)) if parser.has_section(name) else _EMPTY


def _parse_int(text: str | None, path: str) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        raise SynapseConfigError(
            f"Invalid transfer.max_threads config setting {text}\n"
            f"Set a whole number from 1 to 128 in section [transfer] of {path}."
        ) from None


def _parse_bool(text: str | None, path: str) -> bool:
    value = (text or "false").strip().lower()
    if value not in {"true", "false"}:
        raise SynapseConfigError(
            f"Invalid transfer.use_boto_sts config setting {text}\n"
            f"Set true or false in section [transfer] of {path}."
        )
    return value == "true"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _describe(error: Error) -> str:
    if isinstance(error, DuplicateOptionError):
        return f"Line {error.lineno}: duplicate option {error.option} in [{error.section}]."
    if isinstance(error, DuplicateSectionError):
        return f"Line {error.lineno}: duplicate section [{error.section}]."
    numbers = [number for number, _ in getattr(error, "errors", [])]
    numbers = numbers or [getattr(error, "lineno", None)]
    lines = ", ".join(str(number) for number in numbers if number)
    return f"Line {lines or '?'} is neither a [section] nor a key = value pair."

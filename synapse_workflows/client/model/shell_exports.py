"""Shell commands that set environment variables."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

#: Supported shells.
ShellName = Literal["bash", "cmd", "powershell"]

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_BASH_SPECIAL: Final = re.compile(r'([\\"$`])')
#: PowerShell treats typographic double quotes like straight ones.
_POWERSHELL_SPECIAL: Final = re.compile(r"([`\"$\u201c\u201d\u201e])")
#: cmd has no escape for these characters inside double quotes.
_CMD_SPECIAL: Final = re.compile(r'["%!]')


def format_exports(variables: Mapping[str, str], shell: ShellName) -> str:
    """Return commands that set environment variables, one per line.

    Values are quoted so that the shell neither expands nor executes any part of them.

    Args:
        variables: Values by name.
        shell: The shell.

    Raises:
        ValueError: The shell cannot represent a value. The message contains the name only,
            because the value may be a secret.
    """
    return "".join(_FORMATS[shell](name, _validate(name, variables[name])) for name in variables)


def _validate(name: str, value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError(
            f"Cannot set {name} in a shell: the value contains a control character, for example "
            "a line break. Use output_format='json' or 'boto'."
        )
    return value


def _bash(name: str, value: str) -> str:
    quoted = _BASH_SPECIAL.sub(r"\\\1", value)
    return f'export {name}="{quoted}"\n'


def _powershell(name: str, value: str) -> str:
    quoted = _POWERSHELL_SPECIAL.sub(r"`\1", value)
    return f'$Env:{name}="{quoted}"\n'


def _cmd(name: str, value: str) -> str:
    if _CMD_SPECIAL.search(value):
        raise ValueError(
            f'Cannot set {name} in cmd: the value contains ", % or !, which cmd cannot quote. Use '
            "output_format='powershell' or 'json'."
        )
    return f'set {name}="{value}"\n'


_FORMATS: Final[Mapping[ShellName, Callable[[str, str], str]]] = MappingProxyType(
    {"bash": _bash, "cmd": _cmd, "powershell": _powershell}
)

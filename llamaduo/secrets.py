"""Keys and tokens of the environment: known by the names of their variables, shown nowhere."""

import os
import re

_NAMED = re.compile(r"(?:^|_)(?:API)?(?:KEY|TOKEN|SECRET|PASSWORD)S?(?:_|$)")
_SHORTEST = 8
"""Characters; what is shorter is a word that may stand in any text."""


_IN_ADDRESS = re.compile(r"(?<=//)([^/\s:@]*):[^/\s]*@")
"""User and password of an address."""


def secrets(*names: str) -> dict[str, str]:
    """Return the secrets there are, by variable: those named so, and `names`; longest first."""
    found = {
        name: value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST and (name in names or _NAMED.search(name.upper()))
    }
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def without_secrets(text: str, *names: str) -> str:
    """Return `text` with the variable's name in the place of each secret.

    A password in an address goes too, wherever it came from.
    """
    for name, value in secrets(*names).items():
        text = text.replace(value, f"[{name}]")
    return _IN_ADDRESS.sub(r"\1:[password]@", text)

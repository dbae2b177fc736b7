"""Keys and tokens of the environment: known by the names of their variables, shown nowhere."""

import os
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

_NAMED = re.compile(
    r"(?:^|_)(?:API)?(?:KEY|TOKEN|SECRET)S?(?:_|$)|PASSWORD|PASSWD|PASSPHRASE"
    r"|(?<!^)(?<!^OLD)PWD(?:_|$)"
)
"""PGPASSWORD and MYSQL_PWD; not the shell's own PWD and OLDPWD."""
SHORTEST = 8
"""Characters; what is shorter is a word that may stand in any text."""

_IN_ADDRESS = re.compile(r"(?<=//)([^/\s:@]*):([^/\s]*)@")
"""User and password of an address."""
_USER = re.compile(r"(?i)(\bhttps?://)[^/\s:@?#]+@")
"""A user alone, as a token stands in an address that is asked by HTTP; in that of a database it
is a name."""
_LOGIN = re.compile(r"(?<=//)[^/\s]*@")
_IN_QUERY = re.compile(
    r"([?&](?:password|passwd|pwd|sslpassword|api_?key|token|access_token|secret)=)[^&#\s'\"]+",
    re.IGNORECASE,
)
"""The same, where an address has it in its query."""


def secrets(*names: str) -> dict[str, str]:
    """Return the secrets there are, by variable: those named so, and `names`; longest first.

    Of a variable that holds an address with a password, that password.
    """
    found = {}
    for name, value in os.environ.items():
        inside = _IN_ADDRESS.search(value)
        secret = value if name in names or _NAMED.search(name.upper()) else inside and inside[2]
        if secret and len(secret) >= SHORTEST:
            found[name] = secret
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def without_secrets(text: str, *names: str) -> str:
    """Return `text` with the variable's name in the place of each secret.

    A password in an address goes too, wherever it came from.
    """
    for name, value in secrets(*names).items():
        text = text.replace(value, f"[{name}]")
    text = _USER.sub(r"\1[user]@", _IN_ADDRESS.sub(r"\1:[password]@", text))
    return _IN_QUERY.sub(r"\1[password]", text)


def holds_login(text: str) -> bool:
    """Whether there is an address in `text` with a password, or with a user where HTTP asks."""
    return any(one.search(text) for one in (_IN_ADDRESS, _USER, _IN_QUERY))


def address(given: str) -> str:
    """Return an address that holds no password, as it is.

    What is in a field is shown and kept: in configs, reports and trackers.

    Raises:
        ValueError: if there is one, without showing it.
    """
    query = _IN_QUERY.search(given)
    if query is not None:
        raise ValueError(
            f"there is a secret in its query ({query[1].strip('?&=')}); give it by the environment"
        )
    if _IN_ADDRESS.search(given) or _USER.search(given):
        raise ValueError(
            f"there is a password in it, or a token in the place of a user; set it to "
            f"{_LOGIN.sub('', given)} and give the password by the environment"
        )
    return given


def web(given: str) -> str:
    """Return an address that HTTP asks, as it is.

    Raises:
        ValueError: for any other text.
    """
    try:
        parts = urlsplit(given)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number
        good = False
    if not good or any(map(str.isspace, given)):
        raise ValueError("has to be an address such as http://host:8000/v1 or https://host/v1")
    return given


Address = Annotated[str, AfterValidator(address)]
"""Where a server is, for a field of a component."""
WebAddress = Annotated[Address, AfterValidator(web)]
"""The same of a server that is asked by HTTP."""

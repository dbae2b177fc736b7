"""E-mail and IP addresses."""

import re
from collections.abc import Iterator
from ipaddress import IPv6Network, ip_address

_EMAIL = re.compile(
    r"(?<![\w.%+-])[\w%+-](?:[\w.%+'\u2019-]{0,62}[\w%+-])?"
    r"@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![^\W_]|-)"
)
_IP = re.compile(
    r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)"
    r"|(?<![\w.:-])[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:-]|\.\d)"
)
_GIVEN_OUT = IPv6Network("2000::/3")
"""All of IPv6 that belongs to somebody; hexadecimal words with colons seldom fall into it."""


def emails(text: str) -> Iterator[tuple[int, int]]:
    """Yield where e-mail addresses stand."""
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        # In the source of a program, `\nbob@x.org` is Bob's address after the end of a line.
        spelled = text[match.start() - 1 : match.start() + 1] in (r"\n", r"\r", r"\t")
        yield match.start() + spelled, match.end()


def ips(text: str) -> Iterator[tuple[int, int]]:
    """Yield where addresses stand that somebody has; private, loopback and example ones are not."""
    for match in _IP.finditer(text):
        try:
            found = ip_address(match[0])
        except ValueError:
            continue
        if found.is_global and (found.version == 4 or found in _GIVEN_OUT):
            yield match.span()

"""Whether a service stands on one's own machine or network, by its address alone."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from llamaduo.service import Service

_ENDINGS = (".localhost", ".local", ".internal", ".home.arpa")
"""Names that are never anybody's on the internet: RFC 6761, 6762 and 8375; ICANN, July 2024."""
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
"""An IPv4 address in one number, which most clients take: 134744072 is 8.8.8.8."""


def near(service: Service) -> bool:
    """Whether its address is a loopback or private one. No name is looked up, and none is asked.

    A service without an address of its own is its provider's. A proxy on this machine that
    passes on what it is asked cannot be told from a server that does not: see
    `Privacy.inside`.
    """
    where = getattr(service, "api_base", None) or getattr(service, "url", None)
    return isinstance(where, str) and _is_near(where)


def _is_near(url: str) -> bool:
    host = (urlsplit(url if "//" in url else f"//{url}").hostname or "").rstrip(".")
    try:
        return not ip_address(host).is_global
    except ValueError:  # a name; one without a dot is a container's, or of the local network
        plain = "." not in host and not _NUMBER.fullmatch(host)
        return bool(host) and (plain or host.endswith(_ENDINGS))

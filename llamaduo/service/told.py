"""Which headers of a reply are kept."""

import re
from collections.abc import Mapping

_TOLD = re.compile(r"ratelimit|retry-after|(^|-)request-?id$|^x-amzn-requestid$")
"""Names of headers about limits, and of those that tell one request from all others, which a
provider's support asks for."""


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers about limits and the request's id; none of them holds a secret."""
    return {name: said for name, said in headers.items() if _TOLD.search(name)}

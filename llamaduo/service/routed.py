"""Whether litellm knows where a model's name leads, read from its files: it is not imported."""

import re
from functools import lru_cache
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit

from llamaduo.options import nearest
from llamaduo.service import prices

LISTS = {
    "litellm/types/utils.py": r"class LlmProviders\(str, Enum\):\n(.*?)\n\n\n",
    "litellm/llms/openai_like/providers.json": r"\A(.*)\Z",
}
"""Files that name providers, and where in each."""
NAMED = (r'^    [A-Z]\w* = "([^"]+)"', r'^  "([^"]+)": \{')
"""How they name one: a member of the class, a key of the outermost object."""

ADDRESSES = ("litellm/constants.py", r"openai_compatible_endpoints\b[^=]*= \[\n(.*?)\n\]")
"""The file that lists addresses of which litellm knows the provider, and where."""

DIGEST = 64
"""Characters after the colon of a Replicate model, which needs no prefix; nor does `ft:`."""


def fault(name: str, model: str, address: str | None) -> str:
    """Say why no provider is asked for `model`; "" where one is, or litellm's lists are not there.

    Args:
        address: the service's own, if it has one.
    """
    prefix, slash, rest = model.partition("/")
    known = _providers()
    if not known or (prefix in known and rest) or prices.row_of(model) is not None:
        return ""
    if model.startswith("ft:") or len(model.rpartition(":")[2]) == DIGEST or _knows(address):
        return ""
    if slash and rest:
        near = nearest(prefix, sorted(known))
        return f"{name}: {model} has no provider that litellm knows in front{near}"
    own = "openai" if address else "PROVIDER"
    return f"{name}: {model} names no provider; put it in front, as in {own}/NAME"


@lru_cache(maxsize=1)
def _providers() -> frozenset[str]:
    """Return the prefixes that litellm takes."""
    pairs = zip(LISTS.items(), NAMED, strict=True)
    return frozenset(
        one
        for (file, part), name in pairs
        for one in re.findall(name, _part(file, part), re.MULTILINE)
    )


def _knows(address: str | None) -> bool:
    """Whether litellm knows by the address alone who is asked."""
    listed = re.findall(r'"(?:https?://)?([^"/]+)', _part(*ADDRESSES))
    return address is not None and urlsplit(address).hostname in listed


def _part(file: str, part: str) -> str:
    path = Path(str(distribution("litellm").locate_file(file)))
    if not path.is_file():
        return ""
    found = re.search(part, path.read_text(encoding="utf-8"), re.DOTALL)
    return found[1] if found else ""

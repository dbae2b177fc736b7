"""What a provider's refusal of a request comes to: wait, give the request up, or stop the run.

Read from the HTTP code and the provider's own words, so that it is the same by every way to a
provider.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PASSING = frozenset({0, 408, 409, 424, 425, 429})
"""HTTP codes, beside all from 500 on, after which asking again may go better. 424 is TGI's for a
generation that failed, often for memory."""

FILTERS = (
    *("content_policy_violation", "content_filter", "responsibleaipolicyviolation"),
    *("contentpolicyviolationerror", "safety_violation"),
)
"""What providers say where a filter turns a request away."""

SILENT = "nothing more was said"
LONGEST = 300
"""Characters of a provider's words that are shown."""


@dataclass(frozen=True)
class Trouble:
    """What a client says went wrong, where no reply shows it."""

    kind: str
    """Its name of the error."""
    words: str
    status: int = 0
    """The HTTP code that it gives the error; 0: none."""


HOPELESS: tuple[tuple[str, str], ...] = (
    (
        r"insufficient_quota|credit balance is too low|billing_hard_limit|billing_not_active"
        r"|spend(ing)?_limit|out of credits|insufficient credits",
        "the account has no credit left: add some or raise its limit at the provider; what was "
        "bought is kept, and the same command goes on",
    ),
    (
        r"invalid_api_key|incorrect api key|api[_ ]key[_ ]invalid|api key not valid"
        r"|invalid x-api-key|unauthenticated|authentication_error|account_deactivated"
        r"|authenticationerror|unrecognizedclient|security token .{0,40}invalid|expiredtoken",
        "check {keys}",
    ),
    (
        r"permission_denied|permission_error|accessdenied|permissiondeniederror",
        "ask the provider for access to {model}, or choose another service",
    ),
    (
        r"unsupported_parameter|unsupported_value|unsupported parameter|unsupportedparamserror"
        r"|does not support (setting )?(temperature|max_tokens|seed|response_format)",
        "the model does not take what is sent: change the setting that it names, or choose "
        "another service",
    ),
    (
        r"model_not_found|deploymentnotfound|notfounderror|llm provider not provided",
        "check service.model: {model}{where}",
    ),
)
"""Words that say why no request can succeed, and what to do; under any HTTP code."""

BY_STATUS = {401: 1, 402: 0, 403: 2, 404: 4, 405: 4} | dict.fromkeys((301, 302, 303, 307, 308), 4)
"""The line of `HOPELESS` that says what to do, by HTTP code."""


def hopeless(status: int, said: str) -> str | None:
    """Return what to do where no request can succeed, with holes; None where one may.

    A server that is overloaded or broken may pass whatever it says, but no wait brings credit.
    """
    found = said.lower()
    for pattern, advice in HOPELESS[:1] if passing(status) and status else HOPELESS:
        if re.search(pattern, found):
            return advice
    return HOPELESS[BY_STATUS[status]][1] if status in BY_STATUS else None


def filtered(said: str) -> bool:
    """Whether a filter turned the request away."""
    found = said.lower()
    return any(words in found for words in FILTERS)


def passing(status: int) -> bool:
    """Whether asking again may go better."""
    return status in PASSING or status >= 500


def error_in(body: object) -> dict[str, Any] | None:
    """Return the error that a reply holds in the place of an answer; None: it holds none."""
    if isinstance(body, list) and body:  # Gemini's, where it streams
        body = body[0]
    if not isinstance(body, Mapping) or body.get("choices"):
        return None
    for name in ("error", "detail", "message", "Message"):
        said = body.get(name)
        if isinstance(said, Mapping):
            return dict(said)
        if isinstance(said, str) and said:
            return {"message": said, "type": body.get("type"), "code": body.get("code")}
    return None


def words_of(text: str) -> str:
    """Return what a refusal says, in one line: code and message, or its text."""
    try:
        error = error_in(json.loads(text))
    except (ValueError, RecursionError):
        error = None
    if error is None:
        plain = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", text[:20_000])
        return " ".join(plain.split()).strip("{}[]") or SILENT
    marks = [error.get(name) for name in ("type", "code", "status")]
    marks += _reasons(error.get("details"))
    inner = error.get("innererror")
    marks += [inner.get("code")] if isinstance(inner, Mapping) else []
    named = [mark for mark in dict.fromkeys(marks) if isinstance(mark, str) and mark]
    message = " ".join(str(error.get("message") or "").split())
    return ": ".join([*(["/".join(named)] if named else []), message or SILENT])


def _reasons(details: object) -> list[object]:
    """Return what Google adds: an INVALID_ARGUMENT whose reason is API_KEY_INVALID."""
    if not isinstance(details, list):
        return []
    return [one.get("reason") for one in details if isinstance(one, Mapping)]

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
    *("contentpolicyviolationerror", "safety_violation", "flagged_input"),
    *("your input was flagged", "your prompt was flagged"),
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


CREDIT = (
    "the account has no credit left: add some or raise its limit at the provider; what was "
    "bought is kept, and the same command goes on"
)
RENEW = "its credentials are missing or have expired: {renew}"
KEY = "check {keys}"
ACCESS = "ask the provider for access to {model}, or choose another service"
MODEL = "check service.model: {model}{where}"
ELSEWHERE = (
    "no redirect is followed, since the key is for one address alone: check the address "
    "(service.api_base){where}"
)

HOPELESS: tuple[tuple[str, str], ...] = (
    (
        r"insufficient_quota|credit balance is too low|billing_hard_limit|billing_not_active"
        r"|spend(ing)?_limit|out of credits|insufficient credits|credits? (is|are) depleted"
        r"|reached your specified api usage limits",
        CREDIT,
    ),
    (
        r"expiredtoken|security token .{0,40}expired|default credentials were not found"
        r"|reauthentication|invalid_grant|refresherror",
        RENEW,
    ),
    (
        r"invalid_api_key|incorrect api key|api[_ ]key[_ ]invalid|api key not valid"
        r"|invalid x-api-key|unauthenticated|authentication_error|account_deactivated"
        r"|authenticationerror|unrecognizedclient|security token .{0,40}invalid",
        KEY,
    ),
    (
        r"permission_denied|permission_error|accessdenied|permissiondeniederror"
        r"|operation not allowed|user location is not supported",
        ACCESS,
    ),
    (
        r"unsupported_parameter|unsupported_value|unsupported parameter|unsupportedparamserror"
        r"|does not support (setting )?(temperature|max_tokens|seed|response_format)",
        "the model does not take what is sent: change the setting that it names, or choose "
        "another service",
    ),
    (
        r"model_not_found|deploymentnotfound|notfounderror|llm provider not provided"
        r"|model identifier is invalid|on-demand throughput isn.t supported",
        MODEL,
    ),
)
"""Words that say why no request can succeed, and what to do; under any HTTP code."""

BY_STATUS = {401: KEY, 402: CREDIT, 403: ACCESS, 404: MODEL, 405: MODEL} | dict.fromkeys(
    (301, 302, 303, 307, 308), ELSEWHERE
)
"""What to do by HTTP code, where the words do not say it."""

SEEN_BY_NOBODY = frozenset({408, 504, 524})
"""Codes by which a gateway gives up waiting: what stands behind it may answer, and bill, all the
same. 524 is Cloudflare's."""


def hopeless(status: int, said: str, *, unsent: bool = False) -> str | None:
    """Return what to do where no request can succeed, with holes; None where one may.

    A server that is overloaded or broken may pass whatever it says, but no wait brings credit.

    Args:
        unsent: nothing went to the provider, so what is said is of a client: `status` is only
            what litellm takes it for, and no wait brings credentials either.
    """
    found = said.lower()
    lines = HOPELESS if not status or not passing(status) else HOPELESS[: 2 if unsent else 1]
    for pattern, advice in lines:
        if re.search(pattern, found):
            return advice
    return BY_STATUS.get(status)


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
    beside = error.get("metadata")  # OpenRouter's, of an input that was moderated
    if error.get("code") == 403 and isinstance(beside, Mapping) and "reasons" in beside:
        marks.append("flagged_input")
    named = [mark for mark in dict.fromkeys(marks) if isinstance(mark, str) and mark]
    message = " ".join(str(error.get("message") or "").split())
    return ": ".join([*(["/".join(named)] if named else []), message or SILENT])


def _reasons(details: object) -> list[object]:
    """Return what Google adds: an INVALID_ARGUMENT whose reason is API_KEY_INVALID."""
    if not isinstance(details, list):
        return []
    return [one.get("reason") for one in details if isinstance(one, Mapping)]

"""A reply in OpenAI's form as a `Reply`: how it ended, its text, what it is counted as."""

from collections.abc import Mapping
from typing import Any

from llamaduo.records import Outcome, Reply, Usage
from llamaduo.service import native
from llamaduo.service.price import Price

UNSAID = "it does not say its tokens: counted as the most it can cost"
"""The cause of a good reply without usage, so that such replies can be found and counted."""

ABOVE = (
    "its prompt of {tokens} tokens is above service.context ({context}), where its price may be "
    "another: counted as the most it was held to cost"
)
"""The cause of a good reply whose price is not known for sure."""

BROKEN = frozenset({"error", "network_error", "ERROR"})
"""What some gateways end a reply with that broke in the middle; litellm makes it `stop`."""

MALFORMED = frozenset(
    {
        *("pause_turn", "malformed_model_output", "malformed_tool_use"),
        *("MALFORMED_RESPONSE", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"),
    }
)
"""How Anthropic, Bedrock and Gemini end what is no whole answer; litellm makes it `stop`."""

FULL = "model_context_window_exceeded"
"""How Anthropic and Bedrock end a reply that filled the context window."""


def read(
    said: Mapping[str, Any],
    came: Mapping[str, Any] | None,
    price: Price,
    bound: float,
    context: int,
) -> Reply:
    """Return what a reply comes to.

    Args:
        said: in OpenAI's form.
        came: the body it was made from, as the provider sent it; None where it is not known.
        bound: dollars it is counted as, if it does not say its tokens, or its prompt is longer
            than `price` holds for.
        context: tokens of a prompt that `price` holds for.
    """
    usage = used(said, came, price)
    model = (native.answered_by(came) if came else "") or str(said.get("model") or "")
    cause = "" if usage else UNSAID
    if usage and usage.prompt_tokens > context:
        usage = usage.model_copy(update={"usd": max(usage.usd, bound)})
        cause = ABOVE.format(tokens=usage.prompt_tokens, context=context)
    base = Reply(outcome=Outcome.OK, cause=cause, usage=usage or Usage(usd=bound), model=model)
    choices = said.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        return _but(base, Outcome.FAILED, "a reply without choices")
    message = choices[0].get("message") or {}
    base = base.model_copy(update={"text": _text(message.get("content"))})
    ended = native.ended(came) if came else ""
    finish = choices[0].get("finish_reason")
    refusal = message.get("refusal") or (message.get("provider_specific_fields") or {}).get(
        "refusal"
    )
    if refusal or ended == "refusal":
        return _but(base, Outcome.REFUSED, str(refusal or "the model refused"))
    if ended in MALFORMED:
        return _but(base, Outcome.FAILED, f"no whole answer: finish_reason {ended}")
    if ended == FULL:
        return _but(base, Outcome.TRUNCATED, "the context window is full")
    if finish == "content_filter":
        named = f" ({ended})" if ended not in ("", "content_filter") else ""
        return _but(base, Outcome.FILTERED, f"content filter{named}")
    if finish == "length":
        return _but(base, Outcome.TRUNCATED, "max_tokens")
    if ended in BROKEN or finish in BROKEN:
        return _but(base, Outcome.FAILED, f"the reply broke off: finish_reason {ended or finish}")
    return base


def used(said: Mapping[str, Any], came: Mapping[str, Any] | None, price: Price) -> Usage | None:
    """Return the tokens and dollars of a reply; None where it does not say them.

    Where a model's thinking is billed beside its completion tokens (`total_tokens` is more than
    prompt and completion), it is counted with them.
    """
    told = said.get("usage")
    if not isinstance(told, Mapping):
        return None
    if came is not None and not (came.get("usage") or came.get("usageMetadata")):
        return None  # litellm estimates what it is not told
    prompt, completion = _count(told, "prompt_tokens"), _count(told, "completion_tokens")
    if not prompt and not completion:
        return None
    read = told.get("prompt_tokens_details") or {}
    wrote = told.get("completion_tokens_details") or {}
    billed = max(completion, _count(told, "total_tokens") - prompt)
    return price.counted(
        Usage(
            prompt_tokens=prompt,
            completion_tokens=billed,
            cached_tokens=_count(read, "cached_tokens"),
            cache_write_tokens=max(
                _count(read, "cache_write_tokens"), _count(read, "cache_creation_tokens")
            ),
            thinking_tokens=max(_count(wrote, "reasoning_tokens"), billed - completion),
        )
    )


def _count(told: Mapping[str, Any], name: str) -> int:
    found = told.get(name)
    return int(found) if isinstance(found, int | float) and found > 0 else 0


def _text(content: object) -> str:
    """Return the text; half of a surrogate pair, which no file can hold, becomes `?`."""
    if isinstance(content, list):  # parts, as some servers send them
        content = "".join(str(one.get("text") or "") for one in content if isinstance(one, Mapping))
    return str(content or "").encode("utf-8", "replace").decode("utf-8")


def _but(reply: Reply, outcome: Outcome, cause: str) -> Reply:
    return reply.model_copy(update={"outcome": outcome, "cause": cause})

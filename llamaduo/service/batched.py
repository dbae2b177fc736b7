"""What a service has to be for its provider's batches, and a request as a line of one."""

from collections.abc import Mapping
from typing import Any

from llamaduo.service import direct
from llamaduo.service.price import Price
from llamaduo.service.transport import litellm

PROVIDERS = ("openai", "azure", "litellm_proxy")
"""litellm's prefixes of those of whom it can do all that is needed: hand in a file, have a batch
made of it with a note, look, list, cancel and read what came."""

MOST = 50_000
"""Requests of one batch, at OpenAI and Azure (2026-11)."""

OURS = ("model", "messages", "timeout", "num_retries", "api_base", "api_version", "api_key")
"""Arguments of litellm's that are no parameter of the model."""


def fault(name: str, model: str, price: Price) -> str:
    """Say why a service has no batches; "" where it has."""
    provider = model.partition("/")[0]
    if provider not in PROVIDERS:
        known = ", ".join(f"{one}/" for one in PROVIDERS)
        return (
            f"mode: batch is for models named {known}, whose files and batches can be asked for; "
            f"{model} has none that are known here: set mode to live"
        )
    if price.batch is None:
        return (
            f"mode: batch needs price.batch, the share of the price that {name} bills for a call "
            "in a batch (0.5 at OpenAI and Azure)"
        )
    return ""


def body(
    arguments: Mapping[str, Any], transport: str, batch_model: str | None = None
) -> dict[str, Any]:
    """Return the body that a live call with these arguments has.

    Args:
        arguments: `acompletion`'s.
        transport: by which the live call would go.
        batch_model: the model named in its stead.
    """
    said = direct.body(arguments) if transport == "direct" else _through_litellm(arguments)
    return said if batch_model is None else said | {"model": batch_model}


def _through_litellm(arguments: Mapping[str, Any]) -> dict[str, Any]:
    lite = litellm()
    model, provider, _, _ = lite.get_llm_provider(
        model=arguments["model"], api_base=arguments.get("api_base")
    )
    given = {name: value for name, value in arguments.items() if name not in OURS}
    mapped = lite.utils.get_optional_params(model=model, custom_llm_provider=provider, **given)
    if provider == "azure":  # the series is for litellm alone: Azure knows the deployment
        model = model.removeprefix("gpt5_series/").removeprefix("o_series/")
    beside = mapped.pop("extra_body", None) or {}
    mapped.pop("stream", None)
    return {"model": model, "messages": arguments["messages"], **mapped, **beside}

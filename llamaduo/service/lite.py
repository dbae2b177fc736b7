"""A try through litellm: any provider it knows, its reply in the form of OpenAI's."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from llamaduo.service.endings import Trouble
from llamaduo.service.transport import ON, litellm, unlogged
from llamaduo.service.wire import Exchange


async def ask(arguments: Mapping[str, Any], exchange: Exchange) -> dict[str, Any] | Trouble:
    """Ask once. Returns the reply in OpenAI's form, or what litellm says went wrong."""
    token = ON.set(exchange)
    unlogged()
    try:
        response = await litellm().acompletion(**arguments)
    except Exception as error:
        # Whatever litellm makes of what a provider sent: it is read from the exchange, if there
        # was one, and no reply that was paid for is lost to an error in reading it.
        kind = type(error).__name__
        words = str(error).removeprefix(f"litellm.{kind}: ")
        return Trouble(
            kind=kind,
            words=words.partition(" To drop unsupported params")[0],  # advice for a program
            status=int(getattr(error, "status_code", None) or 0),
        )
    finally:
        ON.reset(token)
    said: dict[str, Any] = response.model_dump()
    return said


@lru_cache(maxsize=64)
def takes_seed(model: str) -> bool:
    """Whether the provider knows the parameter; sending it to another is an error."""
    return "seed" in (litellm().get_supported_openai_params(model=model) or ())

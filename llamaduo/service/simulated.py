"""A stand-in for a service LLM, registered with litellm as a provider of its own.

Its calls take the very path of a paid service: litellm, ledger, usage, price, retries,
parsing. It is a stand-in, and says so in its name, its replies and every report.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import Field, field_validator

from llamaduo.component import DataFile
from llamaduo.records import Request
from llamaduo.service import transport
from llamaduo.service.chat import ChatService
from llamaduo.service.heard import Heard
from llamaduo.service.teacher import Said, Teacher

PROVIDER = "simulated"
OVERLOADED_EVERY = 97
"""One call in so many is turned away as a rate limit would, and has to be asked again."""


class SimulatedService(ChatService):
    """Answers, writes pairs and judges from a knowledge file. Costs play money."""

    version: ClassVar[int] = 1

    knowledge: DataFile
    """All it knows. It must hold no near copy of a dev or test row."""
    noise: float = Field(4.0, ge=0)
    """Standard deviation of its marks from repeat to repeat, in points of 100."""
    lean: float = Field(0.0, ge=-99, le=99)
    """Points put on all its marks, which stay within 1 to 100: below 0 strict, above lenient."""

    @field_validator("name")
    @classmethod
    def _says_so(cls, name: str) -> str:
        if "simulated" not in name:
            raise ValueError("a simulated service has `simulated` in its name")
        return name

    @property
    def simulated(self) -> bool:
        """It is."""
        return True

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        """Ask once, through litellm, like any other service."""
        _register()
        return await super().attempt(request, seed, once)

    def _takes_seed(self) -> bool:
        return True

    def _arguments(self, request: Request, seed: int) -> dict[str, Any]:
        arguments = super()._arguments(request, seed)
        arguments["model"] = f"{PROVIDER}/{self.model}"
        mind = {"knowledge": str(self.knowledge), "noise": self.noise, "lean": self.lean}
        arguments["extra_body"] = mind
        return arguments


@lru_cache(maxsize=8)
def _teacher(knowledge: Path, noise: float, lean: float) -> Teacher:
    return Teacher(yaml.safe_load(knowledge.read_text(encoding="utf-8")), noise, lean)


@lru_cache(maxsize=1)
def _register() -> None:
    """Make the provider known to litellm, once in a process."""
    litellm = transport.litellm()
    custom: Any = litellm.CustomLLM

    class Provider(custom):  # type: ignore[misc]
        """Plays the provider's side of a call."""

        calls = 0

        async def acompletion(self, *args: Any, **given: Any) -> Any:
            self.calls += 1
            if self.calls % OVERLOADED_EVERY == 0:
                raise litellm.exceptions.RateLimitError(
                    "simulated: too many requests", llm_provider=PROVIDER, model=given["model"]
                )
            asked = given["optional_params"]
            extra = asked["extra_body"]
            teacher = _teacher(Path(extra["knowledge"]), extra["noise"], extra["lean"])
            said = teacher.reply(given["messages"][-1]["content"], asked["seed"])
            return _response(given, said, asked["max_tokens"])

    def _response(given: dict[str, Any], said: Said, max_tokens: int) -> Any:
        response = given["model_response"]
        tokens = _tokens(said.text)
        cut = tokens > max_tokens
        response.choices[0].message.content = said.text[: 4 * max_tokens] if cut else said.text
        response.choices[0].finish_reason = "length" if cut else said.finish
        prompt = sum(_tokens(m["content"]) for m in given["messages"])
        completion = min(tokens, max_tokens)
        response.usage = litellm.Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
        )
        return response

    litellm.custom_provider_map.append({"provider": PROVIDER, "custom_handler": Provider()})


def _tokens(text: str) -> int:
    """About four characters a token."""
    return -(-len(text) // 4)

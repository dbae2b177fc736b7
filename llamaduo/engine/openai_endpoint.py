"""An endpoint one already has, by OpenAI's protocol: a served model, or another provider's."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from llamaduo.component import Component
from llamaduo.engine.asked import Asked
from llamaduo.local import LocalModel
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example
from llamaduo.service import Service


class OpenAIEndpoint(Component):
    """Has a server answer; its calls are remembered, priced and counted like a service's."""

    service: Service
    """The address, the model's name there, and what a token costs (0 for a server of one's own)."""
    max_tokens: int = Field(ge=1)
    """Tokens of an answer."""
    temperature: float = Field(ge=0)
    """0 always takes the likeliest token (and K answers are then one); more is more varied."""

    @property
    def asked(self) -> Asked:
        """Whom to ask, and how."""
        return Asked(self.service, self.max_tokens, self.temperature)

    def answer(
        self,
        local: LocalModel,
        adapter: Path,
        prompts: Sequence[Example],
        *,
        samples: int,
        max_new_tokens: int,
        seed: int,
        done: Sequence[Answer],
        progress: Progress,
    ) -> Iterator[Answer]:
        """Not here: a stage that may spend has it asked."""
        raise NotImplementedError("an endpoint is asked through a caller")

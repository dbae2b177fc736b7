"""An endpoint one already has, by OpenAI's protocol: a served model, or another provider's."""

from pydantic import Field

from llamaduo.component import Component
from llamaduo.engine.asked import Asked
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

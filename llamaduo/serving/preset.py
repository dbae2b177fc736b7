"""What all engines have in common."""

from typing import ClassVar

from pydantic import Field, model_validator

from llamaduo.component import Component
from llamaduo.secrets import Address
from llamaduo.serving import Form, Given
from llamaduo.serving.capability import Asked, Engine
from llamaduo.serving.delivery import Delivery, contradictions, delivered
from llamaduo.serving.endpoint import Endpoint


class Preset(Component):
    """An engine that speaks OpenAI's chat protocol."""

    engine: ClassVar[Engine]
    operational: ClassVar[frozenset[str]] = frozenset(
        {"url", "called", "key_env", "concurrency", "attempts", "backoff", "timeout"}
    )

    url: Address = Field("http://127.0.0.1:8080", pattern=r"^https?://[^\s/]+(/[^\s/]+)*$")
    """Where clients reach it, without `/v1`."""
    called: str | None = Field(None, min_length=1, pattern=r"^[\w.-]+$")
    """What a request names it by. None: the name of the registered model, which is the task's."""
    delivery: Delivery = "auto"
    """`adapter`: put on its base by the engine. `merged`: into the weights, by us. `auto`: the
    adapter where engine, base and quantisation take one, else merged."""
    key_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable that holds the server's key. None: it wants none."""
    concurrency: int = Field(16, ge=1)
    """Requests in flight at once when it is probed."""
    attempts: int = Field(5, ge=1)
    """Tries of one request before it counts as failed."""
    backoff: float = Field(1.0, ge=0)
    """Seconds before the second try; each further wait is twice the one before, 60 at most."""
    timeout: float = Field(120, gt=0)
    """Seconds until a try is given up."""

    @model_validator(mode="after")
    def _goes_together(self) -> "Preset":
        if found := contradictions(self.engine, self.asked(), self.delivery):
            raise ValueError(found)
        return self

    def asked(self) -> Asked:
        """Return what of its settings decides whether it takes an adapter."""
        return Asked(called=self.called)

    def delivered(self, given: Given) -> tuple[Form, str]:
        """Return the form that is served, and in words why, where it is not the one given.

        Raises:
            UsageError: if the form that was asked for cannot be served.
        """
        return delivered(self.engine, given, self.asked(), self.delivery)

    def names(self, name: str, form: Form) -> tuple[str, str | None]:
        """Return what a request names, and what it names to be answered without the adapter."""
        return self.called or name, None

    def endpoint(self, name: str, form: Form, url: str | None = None) -> Endpoint:
        """Return how the registered model `name` is asked for."""
        model, base = self.names(name, form)
        return Endpoint(
            engine=self.engine,
            url=(url or self.url).rstrip("/").removesuffix("/v1"),
            model=model,
            base=base,
            key_env=self.key_env,
            concurrency=self.concurrency,
            attempts=self.attempts,
            backoff=self.backoff,
            timeout=self.timeout,
        )

"""A served model as its clients know it: an address and a name, by OpenAI's chat protocol."""

from datetime import date

from llamaduo.records import Record
from llamaduo.service.chat import ChatService, Price

OWN = Price(input=0, output=0, as_of=date(2026, 11, 1), source="a server of one's own")


class Endpoint(Record):
    """Where a model is asked for, and by what name."""

    engine: str
    url: str
    """Without `/v1`."""
    model: str
    """What a request names."""
    base: str | None
    """What a request names to be answered without the adapter; None: it cannot be."""
    key_env: str | None = None
    """Environment variable that holds the server's key. None: it wants none."""
    concurrency: int = 16
    attempts: int = 5
    backoff: float = 1.0
    timeout: float = 120

    def service(self, *, bare: bool = False) -> ChatService:
        """Return whom to ask, through the ledger's desk like any service.

        Args:
            bare: without the adapter, where `base` says how.
        """
        model = self.base if bare else self.model
        if model is None:
            raise ValueError(f"{self.model} at {self.url} cannot be asked without its adapter")
        return ChatService(
            name=f"{model} at {self.url}",
            model=f"openai/{model}",
            price=OWN,
            key_env=self.key_env,
            api_base=f"{self.url}/v1",
            concurrency=self.concurrency,
            attempts=self.attempts,
            backoff=self.backoff,
            timeout=self.timeout,
        )

"""A service LLM behind litellm: OpenAI, Anthropic, Gemini, or any OpenAI-compatible address."""

import os
from datetime import date
from typing import Any, ClassVar

from pydantic import Field

from llamaduo.component import Component
from llamaduo.errors import ServiceError
from llamaduo.records import Outcome, Reply, Request, Usage
from llamaduo.secrets import Address, without_secrets
from llamaduo.service.heard import Heard, Limits

UNUSABLE = ("insufficient_quota", "credit balance is too low", "permission_denied")
"""What providers say, under several codes, where an account cannot make any call."""


class Price(Component):
    """US dollars for a million tokens, as listed on a day."""

    input: float = Field(ge=0)
    """Dollars per million prompt tokens."""
    output: float = Field(ge=0)
    """Dollars per million completion tokens."""
    as_of: date
    """The day the price was read; printed wherever the price is used."""
    source: str
    """Where it was read."""

    def key(self) -> dict[str, Any]:
        """Leave the price out: it changes what a reply costs, never what it says."""
        return {}

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return what a call of so many tokens costs."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


class ChatService(Component):
    """A chat model by its litellm name. The key is read from the environment, by litellm."""

    operational: ClassVar[frozenset[str]] = frozenset(
        {
            *("name", "price", "context", "key_env", "retired", "successor", "terms"),
            *("concurrency", "attempts", "backoff", "timeout"),
            *("cap_usd_per_day", "requests_per_minute", "tokens_per_minute"),
        }
    )

    name: str = Field(min_length=1)
    """A label: what reports and rows call it."""
    model: str
    """The provider's name of it, with litellm's prefix: `openai/gpt-4o-2024-08-06`."""
    price: Price
    """Needed: a call without a price could not be counted against a budget."""
    key_env: str | None = None
    """Environment variable that holds the API key. None: the service needs no key."""
    api_base: Address | None = None
    """Address of an OpenAI-compatible server, without a password. None: the provider's own."""
    context: int = Field(128_000, ge=1)
    """Tokens of its context window; with `price` it bounds what a call can cost."""
    retired: date | None = None
    """The day the provider turned it off, where it is known; a run after it is refused."""
    successor: str | None = None
    """The service that follows it, printed where it is or will be turned off."""
    terms: str | None = None
    """What its provider allows to be done with what it says, in a line, with source and date;
    printed where the run's data are accounted for. None: not given, which is printed too."""
    concurrency: int = Field(16, ge=1)
    """Calls in flight at once; more is faster until the provider says 429."""
    attempts: int = Field(5, ge=1)
    """Tries of one request before it counts as failed."""
    backoff: float = Field(1.0, ge=0)
    """Seconds before the second try; each further wait is twice the one before, 60 at most."""
    timeout: float = Field(120, gt=0)
    """Seconds until a try is given up."""
    cap_usd_per_day: float | None = Field(None, ge=0)
    """Dollars that this model may be paid in a day (UTC), by all runs that share a ledger. None:
    no limit."""
    requests_per_minute: int | None = Field(None, ge=1)
    """Requests in any 60 seconds, of all processes that share a ledger. None: no limit."""
    tokens_per_minute: int | None = Field(None, ge=1)
    """Tokens in any 60 seconds, counted as the most a call can take. None: no limit."""

    @property
    def simulated(self) -> bool:
        """Whether it only plays a service LLM."""
        return False

    @property
    def structured(self) -> bool:
        """Whether it is sent the form of the reply that is wanted."""
        return False

    @property
    def limits(self) -> Limits:
        """What it is not to be sent, or paid, more than."""
        return Limits(
            payee=f"{self.model} at {self.api_base}" if self.api_base else self.model,
            usd_per_day=self.cap_usd_per_day,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
        )

    def faults(self) -> list[str]:
        """Return what stands in the way of the first call."""
        found = []
        if self.key_env and not os.environ.get(self.key_env):
            found.append(f"{self.name}: no API key; set {self.key_env} in the environment")
        if self.retired and self.retired <= date.today():
            found.append(f"{self.name}: {self.model} was retired on {self.retired}; {self._next()}")
        return found

    def warnings(self) -> list[str]:
        """Return what will stand in the way."""
        if self.retired and self.retired > date.today():
            will = f"{self.model} will be turned off on {self.retired}"
            return [f"{self.name}: {will}, and a run after it is refused; {self._next()}"]
        return []

    def _next(self) -> str:
        """Say what to choose in its place."""
        return f"choose service={self.successor}" if self.successor else "choose its successor"

    def upper_bound_usd(self, request: Request) -> float:
        """Return what `request` can cost at most: no token is shorter than a byte."""
        sent = sum(len(m.content.encode()) + 16 for m in request.messages)
        return self.price.usd(min(sent, self.context), request.max_tokens)

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        """Ask once, through litellm."""
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm
        import openai

        litellm.suppress_debug_info = True  # else every failed call prints where to get help
        try:
            response = await litellm.acompletion(**self._arguments(request, seed))
        except litellm.exceptions.ContentPolicyViolationError as error:
            return Heard(self._failed(Outcome.FILTERED, error))
        except (
            litellm.exceptions.AuthenticationError,
            litellm.exceptions.NotFoundError,
            litellm.exceptions.PermissionDeniedError,
            litellm.exceptions.UnsupportedParamsError,
        ) as error:
            raise ServiceError(f"{self.name} cannot be used: {self._words(error)}") from None
        except litellm.exceptions.RateLimitError as error:
            self._refuse_if_unusable(error)
            return Heard(self._failed(Outcome.FAILED, error), again=True)
        except openai.BadRequestError as error:
            self._refuse_if_unusable(error)
            return Heard(self._failed(Outcome.FAILED, error))
        except openai.OpenAIError as error:  # rate limits, timeouts, connections, 5xx
            return Heard(self._failed(Outcome.FAILED, error), again=True)
        return Heard(self._read(response, request))

    def _refuse_if_unusable(self, error: Exception) -> None:
        """Raise where the provider says that no call can succeed: no wait brings credit back."""
        said = str(error).lower()
        if any(words in said for words in UNUSABLE):
            raise ServiceError(f"{self.name} cannot be used: {self._words(error)}") from None

    def _arguments(self, request: Request, seed: int) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.model,
            "messages": [m.model_dump() for m in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "timeout": self.timeout,
            "num_retries": 0,
        }
        if self._takes_seed():
            arguments["seed"] = seed
        if self.api_base:
            arguments["api_base"] = self.api_base
        # Always with an address: left to itself, litellm would send OPENAI_API_KEY there.
        if self.key_env:
            arguments["api_key"] = os.environ[self.key_env]
        elif self.api_base:
            arguments["api_key"] = "none"
        return arguments

    def _takes_seed(self) -> bool:
        """Whether the provider knows the parameter; sending it to another is an error."""
        import litellm

        return "seed" in (litellm.get_supported_openai_params(model=self.model) or ())

    def _read(self, response: Any, request: Request) -> Reply:
        used = getattr(response, "usage", None)
        usage = Usage(usd=self.upper_bound_usd(request))  # counted as the most, if it does not say
        if used is not None:
            prompt, completion = used.prompt_tokens or 0, used.completion_tokens or 0
            usd = self.price.usd(prompt, completion)
            usage = Usage(prompt_tokens=prompt, completion_tokens=completion, usd=usd)
        if not response.choices:
            return Reply(outcome=Outcome.FAILED, cause="a reply without choices", usage=usage)
        choice = response.choices[0]
        # Half of a surrogate pair, which no file can hold, becomes `?`.
        text = (choice.message.content or "").encode("utf-8", "replace").decode("utf-8")
        refusal = (getattr(choice.message, "provider_specific_fields", None) or {}).get("refusal")
        if choice.finish_reason == "content_filter":
            return Reply(outcome=Outcome.FILTERED, cause="content filter", text=text, usage=usage)
        if refusal:
            return Reply(outcome=Outcome.REFUSED, cause=refusal, text=text, usage=usage)
        if choice.finish_reason == "length":
            return Reply(outcome=Outcome.TRUNCATED, cause="max_tokens", text=text, usage=usage)
        return Reply(outcome=Outcome.OK, text=text, usage=usage)

    def _failed(self, outcome: Outcome, error: Exception) -> Reply:
        return Reply(outcome=outcome, cause=self._words(error))

    def _words(self, error: Exception) -> str:
        """Return the error in one short line, without the value of any key."""
        words = without_secrets(" ".join(str(error).split()), self.key_env or "")
        return f"{type(error).__name__}: {words[:300]}"

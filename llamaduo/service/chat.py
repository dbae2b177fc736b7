"""A service LLM: any provider that litellm knows, or a server that speaks OpenAI's protocol."""

import os
from datetime import date
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from llamaduo.component import Component
from llamaduo.records import Request
from llamaduo.secrets import WebAddress
from llamaduo.service import batched, credentials, direct, diverted, form, lite, routed
from llamaduo.service.heard import Heard, Limits
from llamaduo.service.hearing import Asked
from llamaduo.service.price import UNPRICED, Price
from llamaduo.service.wire import Exchange, Patience

__all__ = ["ChatService", "Price"]


class ChatService(Component):
    """A chat model by its litellm name. Keys are read from the environment."""

    operational: ClassVar[frozenset[str]] = frozenset(
        {
            *("name", "price", "context", "thinking_tokens", "key_env"),
            *("retired", "successor", "terms", "answers_as"),
            *("concurrency", "attempts", "backoff"),
            *("timeout", "connect_timeout", "first_byte_timeout"),
            *("cap_usd_per_day", "requests_per_minute", "tokens_per_minute"),
            *("cache_prompt", "idempotency_header", "transport"),
            *("mode", "batch_model", "batch_poll_seconds", "batch_least", "batch_most"),
        }
    )
    later: ClassVar[dict[str, Any]] = {"api_version": None, "structured": False}
    """Fields that came after replies were bought: with these values they are no part of what
    makes a reply, so that nobody pays again for what they have."""

    name: str = Field(min_length=1)
    """A label: what reports and rows call it."""
    model: str
    """The provider's name of it, with litellm's prefix: `openai/gpt-4o-2024-08-06`."""
    price: Price
    """Needed: a call without a price could not be counted against a budget."""
    key_env: str | tuple[str, ...] | None = None
    """Environment variable that holds the API key, or all that have to be set. None: the service
    needs no key, or its cloud's own client finds credentials."""
    api_base: WebAddress | None = None
    """Address of an OpenAI-compatible server, by http or https and without a password. None: the
    provider's own."""
    api_version: str | None = None
    """Azure's: the date of the API. None: for the others."""
    answers_as: str | None = None
    """Name that the model answers by, `*` for any; a reply by another is `failed`. None: the
    asked one or a dated snapshot of it, of OpenAI, Anthropic and Gemini at their own addresses;
    nothing is checked elsewhere."""
    context: int = Field(128_000, ge=1)
    """Tokens of a prompt that `price` holds for: its context window, or less where the price of
    longer ones is another. What a longer prompt cost is counted as all that was reserved for it:
    a token for each byte."""
    thinking_tokens: int = Field(0, ge=0)
    """Tokens that the model may think beyond `max_tokens` and bill, per call; they bound what a
    call can cost. 0 where thinking counts against `max_tokens`, as it does for most."""
    retired: date | None = None
    """The day the provider turned it off, where it is known; a run after it is refused."""
    successor: str | None = None
    """The service that follows it, printed where it is or will be turned off."""
    terms: str | None = None
    """What its provider allows to be done with what it says, in a line, with source and date;
    printed where the run's data are accounted for. None: not given, which is printed too."""
    structured: bool = False
    """Whether the form of a reply is sent as a JSON schema that the provider keeps to. False: the
    prompt alone says it. Turned on, every call is another one and bought anew."""
    cache_prompt: bool = False
    """Whether messages are marked to be kept in the provider's prompt cache, which Anthropic and
    Bedrock want said; OpenAI and Gemini cache unasked. No reply changes by it."""
    idempotency_header: str | None = None
    """Header that carries a try's idempotency key, where the provider or a gateway documents one:
    the same try sent again after a kill is then not billed again."""
    transport: Literal["litellm", "direct"] = "litellm"
    """`litellm`: any provider. `direct`: OpenAI's protocol without it, for models named `openai/`
    or `hosted_vllm/`."""
    cap_usd_per_day: float | None = Field(None, ge=0)
    """Dollars that this model may be paid in a day (UTC), by all runs that share a ledger. None:
    no limit."""
    requests_per_minute: int | None = Field(None, ge=1)
    """Requests in any 60 seconds, of all processes that share a ledger. None: no limit."""
    tokens_per_minute: int | None = Field(None, ge=1)
    """Tokens in any 60 seconds. Until its reply says how many there were, a call counts with a
    token for 2 bytes of its prompt, `max_tokens` and `thinking_tokens`. None: no limit."""
    concurrency: int = Field(16, ge=1)
    """Calls in flight at once; more is faster until the provider says 429."""
    attempts: int = Field(5, ge=1)
    """Tries of one request before it counts as failed."""
    backoff: float = Field(1.0, ge=0)
    """Seconds before the second try; each further wait is twice the one before, 60 at most."""
    timeout: float = Field(120, gt=0)
    """Seconds until a try is given up, however much of the reply came."""
    connect_timeout: float | None = Field(10, gt=0)
    """Seconds until a connection stands. None: as `timeout`."""
    first_byte_timeout: float | None = Field(None, gt=0)
    """Seconds until the reply begins, which a model that thinks makes long. None: as `timeout`."""

    mode: Literal["live", "batch"] = "live"
    """`batch`: many calls are handed in at once, at a share of the price (`price.batch`), and come
    within a day; what they come to is the same."""
    batch_model: str | None = Field(None, min_length=1)
    """The model that lines of a batch name, without a prefix: Azure answers batches by deployments
    of their own. None: as `model`, which live calls always name."""
    batch_poll_seconds: float = Field(60, gt=0)
    """Seconds between two looks at a batch."""
    batch_least: int = Field(10, ge=1)
    """Calls below which a batch is not worth its wait: they are asked live."""
    batch_most: int = Field(batched.MOST, ge=1, le=batched.MOST)
    """Calls of one batch; fewer where an account may not have as many tokens waiting."""

    @field_validator("price", mode="before")
    @classmethod
    def _has_a_price(cls, price: object) -> object:
        if price is None:
            raise ValueError(UNPRICED)
        return price

    @model_validator(mode="after")
    def _can_be_asked(self) -> "ChatService":
        """Refuse a transport that cannot reach the model."""
        if self.transport == "direct":
            if not self.model.startswith(direct.SPOKEN):
                wanted = " or ".join(direct.SPOKEN)
                raise ValueError(
                    f"transport: direct speaks OpenAI's protocol, to models named {wanted}; "
                    f"{self.model} needs transport: litellm"
                )
            if self.model.startswith("hosted_vllm/") and self.api_base is None:
                raise ValueError("transport: direct needs the api_base of a hosted_vllm/ model")
        if self.cache_prompt and not self.model.startswith(form.TOLD_TO_CACHE):
            raise ValueError(
                f"cache_prompt is for models that want to be told ({', '.join(form.TOLD_TO_CACHE)}"
                f"); {self.model} caches what it can unasked, or not at all"
            )
        if self.mode == "batch" and (why := batched.fault(self.name, self.model, self.price)):
            raise ValueError(why)
        return self

    def key(self) -> dict[str, Any]:
        """Return what makes its replies what they are."""
        said = super().key()
        return {n: v for n, v in said.items() if n not in self.later or v != self.later[n]}

    @property
    def simulated(self) -> bool:
        """Whether it only plays a service LLM."""
        return False

    @property
    def limits(self) -> Limits:
        """What it is not to be sent, or paid, more than."""
        return Limits(
            payee=f"{self.model} at {self.api_base}" if self.api_base else self.model,
            usd_per_day=self.cap_usd_per_day,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            hidden_tokens=self.thinking_tokens,
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """Variables that have to be set."""
        return credentials.names(self.key_env)

    def faults(self) -> list[str]:
        """Return what stands in the way of the first call."""
        found = credentials.missing(self.name, self.key_env)
        if self.retired and self.retired <= date.today():
            found.append(f"{self.name}: {self.model} was retired on {self.retired}; {self._next()}")
        if not self.simulated and (why := routed.fault(self.name, self.model, self.api_base)):
            found.append(why)
        found += credentials.cloud_faults(self.name, self.model)
        if self.api_base is None and self.transport == "litellm":
            found += diverted.moved(self.name, self.model)
        found += diverted.proxied(self.name, self.model, self.api_base)
        if self.structured and not self.api_base and (why := form.fault(self.name, self.model)):
            found.append(why)
        return found

    def warnings(self) -> list[str]:
        """Return what will stand in the way."""
        found = credentials.cloud_warnings(self.name, self.model)
        if self.retired and self.retired > date.today():
            will = f"{self.model} will be turned off on {self.retired}"
            found.append(f"{self.name}: {will}, and a run after it is refused; {self._next()}")
        return found

    def _next(self) -> str:
        """Say what to choose in its place."""
        return f"choose service={self.successor}" if self.successor else "choose its successor"

    def upper_bound_usd(self, request: Request) -> float:
        """Return what `request` can cost at most: no token is shorter than a byte."""
        sent = sum(len(m.content.encode()) + 16 for m in request.messages)
        if self.structured and request.form is not None:
            sent += form.size(request.form)
        most = request.max_tokens + self.thinking_tokens
        return self.price.most(sent, most)

    def warm(self) -> None:
        """Import litellm, which takes seconds."""
        self._takes_seed()

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        """Ask once, and say what came of it.

        Raises:
            Unusable: if no request can succeed.
        """
        headers = {self.idempotency_header: once} if self.idempotency_header else {}
        exchange = Exchange(self._patience, headers)
        arguments = self._arguments(request, seed)
        said = None
        if self.transport == "direct":
            await direct.ask(arguments, exchange)
        else:
            said = await lite.ask(arguments, exchange)
        return self.asked(self.price, self.upper_bound_usd(request)).hear(exchange, said)

    def asked(self, price: Price, bound: float) -> Asked:
        """Return what reading a reply needs to know, where it is paid at `price`."""
        return Asked(
            name=self.name,
            model=self.model,
            address=self.api_base,
            keys=credentials.secret(self.key_env),
            answers_as=self.answers_as,
            price=price,
            bound=bound,
            context=self.context,
        )

    def body(self, request: Request, seed: int) -> dict[str, Any]:
        """Return what a live call sends, for a line of a batch."""
        return batched.body(self._arguments(request, seed), self.transport, self.batch_model)

    @cached_property
    def _patience(self) -> Patience:
        total = self.timeout
        return Patience(
            total=total,
            connect=min(total, self.connect_timeout or total),
            first_byte=min(total, self.first_byte_timeout or total),
        )

    def _arguments(self, request: Request, seed: int) -> dict[str, Any]:
        plain = [m.model_dump() for m in request.messages]
        arguments: dict[str, Any] = {
            "model": self.model,
            "messages": form.marked(request.messages) if self.cache_prompt else plain,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "timeout": self.timeout,
            "num_retries": 0,
        }
        if self._takes_seed():
            arguments["seed"] = seed
        if self.structured and request.form is not None:
            arguments["response_format"] = form.response_format(request.form)
        return arguments | self.account()

    def account(self) -> dict[str, Any]:
        """Return where litellm is to ask, and with which key."""
        said: dict[str, Any] = {}
        if self.api_base:
            said["api_base"] = self.api_base
        if self.api_version:
            said["api_version"] = self.api_version
        # Always with an address: left to itself, litellm would send OPENAI_API_KEY there.
        if isinstance(self.key_env, str):
            said["api_key"] = os.environ[self.key_env]
        elif self.api_base:
            said["api_key"] = "none"
        return said

    def _takes_seed(self) -> bool:
        """Whether the provider knows the parameter; sending it to another is an error."""
        return self.transport == "direct" or lite.takes_seed(self.model)

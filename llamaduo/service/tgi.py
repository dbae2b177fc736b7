"""A Text Generation Inference server (TGI), asked for text by the hub's own client.

TGI's documented Python client is `huggingface_hub.InferenceClient`. What is asked here is
TGI's `/generate`, and not its chat route: that one lays the chat out by the template of the
server's `--model-id`, which need not be the one the model was tuned with, and tells less of
how an answer ended. Protocol as of TGI 3.3 (its OpenAPI page).
"""

import asyncio
import json
import os
import ssl
from functools import lru_cache
from typing import Any, ClassVar

from pydantic import Field

from llamaduo.component import Component
from llamaduo.errors import ServiceError
from llamaduo.records import Outcome, Record, Reply, Request, Usage
from llamaduo.secrets import Address, without_secrets
from llamaduo.service import credentials
from llamaduo.service.heard import Heard, Limits
from llamaduo.service.price import Price, snapshot

UNUSABLE = (401, 403, 404, 405)
"""HTTP codes no request gets past: a wrong key, or an address that is no TGI's."""

AT_FAULT = (400, 413, 422)
"""HTTP codes of a request that is at fault itself: asked again, it fails again. TGI says 422 of
one that is too long."""

ENDED = ("eos_token", "stop_sequence")
"""TGI's words for an answer that ended by itself."""


class Info(Record):
    """What a TGI server says of itself."""

    model_id: str
    """What it was started with: a hub id or a folder there. Never an adapter."""
    version: str


class TgiService(Component):
    """A model or an adapter that TGI serves. It takes text and no chats: one message, as it is."""

    operational: ClassVar[frozenset[str]] = frozenset(
        {
            *("name", "price", "context", "key_env"),
            *("concurrency", "attempts", "backoff", "timeout"),
        }
    )

    name: str = Field(min_length=1)
    """A label: what reports and rows call it."""
    url: Address = Field(pattern=r"^https?://[^\s/]+(/[^\s/]+)*$")
    """Address of the server, without `/generate`: `http://127.0.0.1:8080`."""
    adapter: str | None = Field(min_length=1)
    """Its name in the server's LORA_ADAPTERS, sent with every request. None: the server's own
    model, such as one that an adapter was merged into."""
    model_id: str | None = None
    """What `GET /info` has to name as the model. None: the hub id of the local model."""
    stop: str = Field(min_length=1)
    """What ends an answer: the local model's end of turn."""
    price: Price
    """Dollars; 0 for a server of one's own."""
    key_env: str | None = None
    """Environment variable that holds the server's API_KEY. None: it wants none."""
    context: int = Field(8192, ge=1)
    """The server's MAX_TOTAL_TOKENS; with `price` it bounds what a call can cost."""
    concurrency: int = Field(32, ge=1)
    """Calls in flight at once; TGI turns away what is more than its MAX_CONCURRENT_REQUESTS."""
    attempts: int = Field(5, ge=1)
    """Tries of one request before it counts as failed."""
    backoff: float = Field(1.0, ge=0)
    """Seconds before the second try; each further wait is twice the one before, 60 at most."""
    timeout: float = Field(120, gt=0)
    """Seconds until a try is given up."""

    @property
    def simulated(self) -> bool:
        """Whether it only plays a service LLM."""
        return False

    @property
    def structured(self) -> bool:
        """Whether it is sent the form of the reply that is wanted: TGI's `/generate` is not."""
        return False

    @property
    def limits(self) -> Limits:
        """None: it is a server of one's own."""
        return Limits(payee=f"{self.adapter or 'its own model'} at {self.url}")

    def faults(self) -> list[str]:
        """Return what stands in the way of the first call, as far as it shows without one."""
        return credentials.missing(self.name, self.key_env)

    def upper_bound_usd(self, request: Request) -> float:
        """Return what `request` can cost at most: no token is shorter than a byte."""
        return self.price.usd(self._most_tokens(request), request.max_tokens)

    async def info(self) -> Info:
        """Ask the server what it is.

        Raises:
            ServiceError: if it does not say, with the reason.
        """
        try:
            async with self._client() as client:
                said = await asyncio.wait_for(client.get_endpoint_info(), self.timeout)
            return Info(model_id=said["model_id"], version=said["version"])
        except _no_answer() as error:
            raise ServiceError(f"no TGI answers at {self.url}: {self._words(error)}") from None
        except (ValueError, KeyError, TypeError):
            raise ServiceError(f"{self.url}/info answers, but not as TGI does") from None

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        """Ask once, through the hub's client, which shows no body: what it read is kept."""
        from huggingface_hub import TextGenerationOutput

        [prompt] = request.messages
        try:
            async with self._client() as client:
                said = await client.text_generation(
                    prompt.content,
                    model=f"{self.url}/generate",
                    **self._parameters(request, seed),
                )
        except _no_answer() as error:
            return self._failed(error)
        except (ValueError, KeyError, TypeError):
            said = None
        if not isinstance(said, TextGenerationOutput) or said.details is None:
            raise ServiceError(f"{self.name}: {self.url}/generate answers, but not as TGI does")
        told = {"as_read_by": "huggingface_hub", "said": said}
        return Heard(
            self._read(request, said),
            raw=json.dumps(told, sort_keys=True, default=vars),
            status=200,
            price=snapshot(self.price),
        )

    def _parameters(self, request: Request, seed: int) -> dict[str, Any]:
        """Return what is sent beside the prompt.

        TGI refuses a temperature of 0; greedy is said by `do_sample`. With no seed, or 0, it
        would take one of its own.
        """
        warm = {"temperature": request.temperature} if request.temperature > 0 else {}
        return {
            "adapter_id": self.adapter,
            "max_new_tokens": request.max_tokens,
            "do_sample": request.temperature > 0,
            "seed": seed or 1,
            "stop": [self.stop],
            "return_full_text": False,
            "details": True,
            **warm,
        }

    def _read(self, request: Request, said: Any) -> Reply:
        details = said.details
        # TGI does not tell the tokens of a prompt: its dollars are counted as the most it can be.
        usd = self.price.usd(self._most_tokens(request), details.generated_tokens)
        usage = Usage(completion_tokens=details.generated_tokens, usd=usd)
        # Half of a surrogate pair, which no file can hold, becomes `?`.
        text = said.generated_text.encode("utf-8", "replace").decode("utf-8")
        text = text.removesuffix(self.stop)
        # At the limit TGI says `length` even where the last token is the end of turn.
        ended = bool(details.tokens) and details.tokens[-1].text == self.stop
        if details.finish_reason in ENDED or ended:
            return Reply(outcome=Outcome.OK, text=text, usage=usage)
        if details.finish_reason == "length":
            cause = "max_new_tokens"
            return Reply(outcome=Outcome.TRUNCATED, cause=cause, text=text, usage=usage)
        cause = f"an unknown finish_reason {details.finish_reason!r}"
        return Reply(outcome=Outcome.FAILED, cause=cause, text=text, usage=usage)

    def _failed(self, error: Exception) -> Heard:
        """Return what a call that brought no answer comes to, by its HTTP code; 0 is none.

        429 (overloaded), 424 (generation failed, often for memory), 5xx, a timeout and a broken
        connection may pass. After the last two nobody knows whether it was answered.
        """
        status = _status(error)
        if status in UNUSABLE:
            raise ServiceError(f"{self.name} cannot be used: {self._words(error)}") from None
        reply = Reply(outcome=Outcome.FAILED, cause=self._words(error))
        return Heard(
            reply,
            again=status not in AT_FAULT,
            unproven=not status and not _never_sent(error),
            raw=without_secrets(_body(error), self.key_env or ""),
            status=status,
            price=snapshot(self.price),
        )

    def _most_tokens(self, request: Request) -> int:
        """Return the tokens a prompt can have at most, the one that begins it counted."""
        return min(sum(len(m.content.encode()) + 1 for m in request.messages), self.context)

    def _client(self) -> Any:
        """Return a client for one call. Always with a key: left to itself it sends HF_TOKEN."""
        from huggingface_hub import AsyncInferenceClient

        _also_offline()
        return AsyncInferenceClient(
            base_url=self.url,
            provider="hf-inference",
            api_key=os.environ[self.key_env] if self.key_env else "none",
            timeout=self.timeout,
        )

    def _words(self, error: Exception) -> str:
        """Return the error in one short line, without the value of any key."""
        status = _status(error)
        said = " ".join(str(error).split()) or "nothing more was said"
        words = without_secrets(said, self.key_env or "")
        return f"{type(error).__name__}{f' ({status})' if status else ''}: {words[:300]}"


def _no_answer() -> tuple[type[Exception], ...]:
    """Return what the hub's client raises where no answer came: its own, and its transport's."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    return HTTPError, OSError


def _status(error: BaseException | None) -> int:
    """Return the HTTP code of an error of the hub's client, or of what it came from; 0: none."""
    response = _response(error)
    return 0 if response is None else int(response.status_code)


def _response(error: BaseException | None) -> Any:
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response
        error = error.__cause__
    return None


def _body(error: BaseException) -> str:
    """Return the body of the reply that an error came with; "" where it came without one."""
    import httpx

    try:
        return str(getattr(_response(error), "text", ""))
    except httpx.ResponseNotRead:
        return ""


def _never_sent(error: BaseException | None) -> bool:
    """Whether an error is that of a connection that never stood."""
    import httpx

    while error is not None:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return True
        error = error.__cause__ or error.__context__
    return False


@lru_cache(maxsize=1)
def _also_offline() -> None:
    """Let the hub's client ask a server of one's own with HF_HUB_OFFLINE set.

    It would refuse by a hook; so its sessions are made without hooks, of the same kind. They
    share one TLS context, which takes longer to make than all else in a call.
    """
    from huggingface_hub import get_async_session, set_async_client_factory

    kind, tls = type(get_async_session()), ssl.create_default_context()
    set_async_client_factory(lambda: kind(timeout=None, verify=tls))

"""Batch inference by a TGI server that serves an adapter."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from llamaduo.component import Component
from llamaduo.engine.asked import Asked
from llamaduo.errors import ModelError
from llamaduo.local import LocalModel
from llamaduo.progress import Progress
from llamaduo.records import Example, Outcome, Reply, Request
from llamaduo.service import Caller, Service
from llamaduo.service.tgi import TgiService

PROMPTS = 16
"""Prompts of the run that the proof asks."""

TOKENS = 64
"""Tokens of an answer of the proof, at most: two models part company long before."""

CAME = (Outcome.OK, Outcome.TRUNCATED)


class Tgi(Component):
    """Has TGI answer with an adapter; its calls are remembered and counted like a service's.

    Each prompt is sent as the text of the local model's own chat template, so that what is
    asked is, token by token, what the adapter was tuned on and what `engine=transformers`
    asks. K answers are K calls, each with a seed made of `seed`, the prompt and the answer's
    number: more samples keep the first ones, and the order of calls changes nothing.
    """

    service: TgiService
    """The server, the adapter's name there, and what a token costs (0 for one's own server)."""
    max_tokens: int = Field(ge=1)
    """Tokens of an answer."""
    temperature: float = Field(ge=0)
    """0 always takes the likeliest token (and K answers are then one); more is more varied."""

    @property
    def asked(self) -> Asked:
        """Whom to ask, and how."""
        proof = LiveAdapter(self.service, min(self.max_tokens, TOKENS))
        return Asked(self.service, self.max_tokens, self.temperature, as_text=True, proof=proof)


@dataclass(frozen=True)
class LiveAdapter:
    """Shows that an adapter answers: to a name it does not know, TGI answers with the base.

    It does so without a word (huggingface/text-generation-inference#2505), and lists adapters
    nowhere. So some of the run's prompts are asked greedily, with the adapter once and without
    it twice. Greedy answers of one model can differ too, by rounding in batches of different
    company; an adapter is taken for live where it differs from the base on more than twice as
    many prompts as the base from itself.
    """

    service: TgiService
    max_tokens: int

    @property
    def beside(self) -> Service:
        """The same server without the adapter."""
        return self.service.model_copy(update={"adapter": None})

    def show(
        self,
        prompts: Sequence[Example],
        caller: Caller,
        beside: Caller,
        *,
        local: LocalModel,
        progress: Progress,
    ) -> None:
        """Ask, and say how many answers differ."""
        there = self._right_model(local)
        if self.service.adapter is None:
            progress.say(f"{there}; no adapter is asked for")
            return
        some = prompts[:PROMPTS]
        # A number no other process asks under: what is remembered says nothing of the server now.
        now = time.time_ns()
        tuned = caller.ask([self._request(row, now) for row in some])
        bare = beside.ask([self._request(row, now + k) for k in (0, 1) for row in some])
        first, second = bare[: len(some)], bare[len(some) :]
        came = [
            three
            for three in zip(tuned, first, second, strict=True)
            if all(reply.outcome in CAME for reply in three)
        ]
        if not came:
            raise ModelError(
                f"{self.service.url}: none of {len(some)} prompts was answered with and without "
                f"adapter {self.service.adapter!r}: {(tuned + bare)[-1].cause}"
            )
        differ = sum(_said(one) != _said(two) for one, two, _ in came)
        noise = sum(_said(two) != _said(three) for _, two, three in came)
        seen = (
            f"{differ} of {len(came)} greedy answers with adapter {self.service.adapter!r} differ "
            f"from those without; {noise} do between two times without"
        )
        if differ <= 2 * noise:
            raise ModelError(
                f"{self.service.url}: {seen}. TGI answers with the base, and says nothing, where "
                "it does not know an adapter: start it with "
                f"LORA_ADAPTERS={self.service.adapter}=/its/folder and CUDA_GRAPHS=0, or correct "
                "engine.service.adapter"
            )
        progress.say(f"{there}; the adapter is live: {seen}")

    def _right_model(self, local: LocalModel) -> str:
        """Return what the server serves, in words; refuse another model than is meant."""
        info = asyncio.run(self.service.info())
        wanted = self.service.model_id or local.base
        if info.model_id != wanted:
            raise ModelError(
                f"{self.service.url} serves {info.model_id}, not {wanted}: start TGI with "
                f"--model-id {wanted}, or if they are the same, set "
                f"engine.service.model_id={info.model_id}"
            )
        return f"TGI {info.version} at {self.service.url} serves {info.model_id}"

    def _request(self, row: Example, sample: int) -> Request:
        return Request(
            messages=row.messages,
            max_tokens=self.max_tokens,
            temperature=0,
            sample=sample,
            row=row.id,
        )


def _said(reply: Reply) -> tuple[str, str]:
    return reply.outcome, reply.text

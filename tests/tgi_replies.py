"""What a TGI server says: errors, and an answer in the shapes of its routes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

Canned = tuple[int, Json | None]
"""Status and body; None is no body."""

OVERLOADED = (429, {"error": "Model is overloaded", "error_type": "overloaded"})
GENERATION = (424, {"error": "CUDA out of memory", "error_type": "generation"})
INCOMPLETE = (500, {"error": "Incomplete generation", "error_type": "incomplete_generation"})
UNHEALTHY = (503, {"error": "unhealthy", "error_type": "healthcheck"})
TOO_LONG = (
    422,
    {
        "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 64. "
        "Given: 60 `inputs` tokens and 8 `max_new_tokens`",
        "error_type": "validation",
    },
)
NO_SYSTEM = (
    422,
    {
        "error": "Template error: invalid operation: System role not supported (in <string>:1)",
        "error_type": "template_error",
    },
)
"""What a template without a system turn, such as Gemma's, makes of one."""

UNAUTHORIZED = (401, None)
"""TGI's reply to a wrong key has no body."""

BY_HTTP = (401, 503)
"""Statuses a stream is refused with; any other error is an event of it. So is `template_error`,
by HTTP, as the chat is laid out before the stream begins."""

FINGERPRINT = "3.3.5-sha"


def invalid(why: str) -> Canned:
    return 422, {"error": f"Input validation error: {why}", "error_type": "validation"}


def by_http(canned: Canned) -> bool:
    """Whether it comes as such where a stream was asked for."""
    status, body = canned
    return status in BY_HTTP or (body or {}).get("error_type") == "template_error"


def as_event(route: str, canned: Canned) -> Json:
    """Return an error as the event of a stream; that of a chat says 422 whatever it is."""
    body = canned[1]
    assert body is not None
    if route == "POST /generate_stream":
        return body
    return {"error": {"message": body["error"], "http_status_code": 422}}


@dataclass(frozen=True)
class Said:
    """An answer, token by token."""

    model: str
    """What the request called it by."""
    tokens: tuple[Json, ...]
    """The last ends the answer, unless it was cut."""
    finish: str
    """TGI's word: `eos_token`, `stop_sequence`, `length`."""
    shown: str
    """What of the last token stands in the text."""
    prompt_tokens: int
    seed: int | None

    @property
    def text(self) -> str:
        return "".join(one["text"] for one in self.tokens if not one["special"]) + self.shown

    @property
    def usage(self) -> Json:
        asked, said = self.prompt_tokens, len(self.tokens)
        return {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
        }

    @property
    def ended(self) -> str:
        """OpenAI's word for how it ended, as TGI has it."""
        return "stop" if self.finish == "eos_token" else self.finish

    def generated(self, *, details: bool) -> Json:
        """Return it as /generate says it."""
        told = {
            "finish_reason": self.finish,
            "generated_tokens": len(self.tokens),
            "seed": self.seed,
            "prefill": [],
            "tokens": list(self.tokens),
        }
        return {"generated_text": self.text, **({"details": told} if details else {})}

    def generated_events(self) -> Iterator[Json]:
        """Yield it as /generate_stream does."""
        for index, token in enumerate(self.tokens, 1):
            last = index == len(self.tokens)
            details = {
                "finish_reason": self.finish,
                "generated_tokens": len(self.tokens),
                "seed": self.seed,
                "input_length": self.prompt_tokens,
            }
            yield {
                "index": index,
                "token": token,
                "generated_text": self.text if last else None,
                "details": details if last else None,
            }

    def completed(self) -> Json:
        """Return it as the chat route says it."""
        message = {"role": "assistant", "content": self.text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.ended}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage}

    def chunks(self, *, usage: bool) -> Iterator[Json]:
        """Yield it as the chat route streams it: the tokens, then what it took, if asked."""
        head = self._head("chat.completion.chunk")
        for index, token in enumerate(self.tokens, 1):
            last = index == len(self.tokens)
            text = (self.shown if last else "") if token["special"] else token["text"]
            choice = {
                "index": 0,
                "delta": {"role": "assistant", "content": text},
                "logprobs": None,
                "finish_reason": self.ended if last else None,
            }
            yield {**head, "choices": [choice], "usage": None}
        if usage:
            yield {**head, "choices": [], "usage": self.usage}

    def _head(self, of: str) -> Json:
        return {
            "object": of,
            "id": "",
            "created": int(time.time()),
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
        }

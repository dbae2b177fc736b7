"""OpenAI's files and batches, through litellm: at OpenAI, at Azure, at a gateway of one's own."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from llamaduo.batch.provider import Came, Line, Look, NotTaken, State
from llamaduo.secrets import without_secrets
from llamaduo.service.chat import ChatService
from llamaduo.service.credentials import secret

T = TypeVar("T")

ENDPOINT = "/v1/chat/completions"
WINDOW = "24h"
"""The only one there is."""
NOTE = "llamaduo"
"""Key of the token in a batch's metadata."""
PAGE = 100
"""Batches of one page of the list, the most that OpenAI gives."""
PAGES = 20
"""Pages looked through; the newest batches are on the first."""

_OVER = {
    "completed": State.COMPLETED,
    "expired": State.EXPIRED,
    "cancelled": State.CANCELLED,
    "failed": State.REFUSED,
}


@dataclass(frozen=True)
class ThroughLitellm:
    """The batches of one account."""

    provider: str
    """litellm's name of who takes them."""
    api_base: str | None
    """None: the provider's own."""
    keys: tuple[str, ...] = ()
    """Environment variables with secrets, the API key's first; none: the server needs no key."""
    seconds: float = 600.0
    """Until a request is given up; a file may have 200 MB."""

    def upload(self, lines: Sequence[Line]) -> str:
        """Hand over the lines as one JSONL file."""
        text = "".join(_written(line) + "\n" for line in lines)
        file = ("batch.jsonl", text.encode("utf-8"))
        made = self._do("create_file", file=file, purpose="batch")
        return str(made.id)

    def submit(self, uploaded: str, token: str) -> str:
        """Make a batch of an uploaded file."""
        made = self._do(
            "create_batch",
            completion_window=WINDOW,
            endpoint=ENDPOINT,
            input_file_id=uploaded,
            metadata={NOTE: token},
        )
        return str(made.id)

    def find(self, token: str) -> str:
        """Look through the list of batches."""
        after: str | None = None
        for _ in range(PAGES):
            page = self._do("list_batches", limit=PAGE, after=after)
            for one in page.data:
                if (one.metadata or {}).get(NOTE) == token:
                    return str(one.id)
            if not page.data or not page.has_more:
                break
            after = page.data[-1].id
        return ""

    def look(self, id: str) -> Look:
        """Say where a batch stands."""
        return _look(self._do("retrieve_batch", batch_id=id))

    def collect(self, id: str) -> Iterator[Came]:
        """Read the file of replies, and that of errors."""
        batch = self._do("retrieve_batch", batch_id=id)
        for name in (batch.output_file_id, batch.error_file_id):
            if name:
                text = self._do("file_content", file_id=name).content.decode("utf-8")
                for line in text.split("\n"):  # not splitlines(): a reply may hold U+2028
                    if line.strip():
                        yield _read(line)

    def cancel(self, id: str) -> None:
        """Ask for no more of a batch to be answered."""
        self._do("cancel_batch", batch_id=id)

    def _do(self, what: str, **given: Any) -> Any:
        """Make one request, once."""
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm

        litellm.suppress_debug_info = True
        return self._taken(lambda: getattr(litellm, what)(**given, **self._account()))

    def _account(self) -> dict[str, Any]:
        """Return whose batches, and how they are reached."""
        said: dict[str, Any] = {
            "custom_llm_provider": self.provider,
            "timeout": self.seconds,
            "max_retries": 0,  # else a batch of which no word came back would be made again
        }
        if self.api_base:
            said["api_base"] = self.api_base
        # Always with an address: left to itself, litellm would send OPENAI_API_KEY there.
        if self.keys:
            said["api_key"] = os.environ[self.keys[0]]
        elif self.api_base:
            said["api_key"] = "none"
        return said

    def _taken(self, ask: Callable[[], T]) -> T:
        """Ask, and say in words why not."""
        import openai

        try:
            return ask()
        except openai.APIStatusError as error:
            again = error.status_code in (408, 409, 429) or error.status_code >= 500
            unsure = error.status_code >= 500 or error.status_code == 408
            unknown = error.status_code == 404
            raise NotTaken(
                self._words(error), again=again, unsure=unsure, unknown=unknown
            ) from None
        except openai.APIConnectionError as error:  # time-outs too
            raise NotTaken(self._words(error), again=True, unsure=True) from None
        except openai.OpenAIError as error:
            raise NotTaken(self._words(error), again=False) from None

    def _words(self, error: Exception) -> str:
        """Return the error in one short line, without the value of any key."""
        words = without_secrets(" ".join(str(error).split()), *self.keys)
        return f"{type(error).__name__}: {words[:300]}"


def provider_of(service: ChatService) -> ThroughLitellm:
    """Return where batches of `service` are handed in."""
    provider = service.model.partition("/")[0]
    return ThroughLitellm(provider, service.api_base, secret(service.key_env))


def _written(line: Line) -> str:
    """Return a line as OpenAI takes it."""
    asked = {"custom_id": line.id, "method": "POST", "url": ENDPOINT, "body": line.body}
    return json.dumps(asked)


def _look(batch: Any) -> Look:
    counts = batch.request_counts
    errors = getattr(batch.errors, "data", None) or []
    return Look(
        state=_OVER.get(batch.status, State.RUNNING),
        said=batch.status,
        total=counts.total if counts else 0,
        completed=counts.completed if counts else 0,
        failed=counts.failed if counts else 0,
        why="; ".join(dict.fromkeys(f"{one.code}: {one.message}" for one in errors)),
    )


def _read(line: str) -> Came:
    """Read a line of the file of replies, or of that of errors."""
    row = json.loads(line)
    answer, error = row.get("response"), row.get("error")
    if answer is None:
        why = error or {}
        said = ": ".join(str(why[key]) for key in ("code", "message") if why.get(key))
        return Came(id=row["custom_id"], status=0, error=said or "no response and no error")
    return Came(
        id=row["custom_id"],
        status=answer["status_code"],
        raw=json.dumps(answer.get("body"), ensure_ascii=False),
        request_id=answer.get("request_id") or "",
    )

"""OpenAI's files and batches, through litellm: at OpenAI, at Azure, at a gateway of one's own."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from llamaduo.batch.provider import Came, Line, Look, NotTaken, State
from llamaduo.secrets import without_secrets
from llamaduo.service.chat import ChatService
from llamaduo.service.credentials import secret
from llamaduo.service.transport import litellm

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
    """The batches of the account that a service is asked by."""

    service: ChatService
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
        account = {
            **self.service.account(),
            "custom_llm_provider": self.service.model.partition("/")[0],
            "timeout": self.seconds,
            "max_retries": 0,  # else a batch of which no word came back would be made again
            # litellm makes a client for each request and closes none.
            "extra_headers": {"Connection": "close"},
        }
        return self._taken(lambda: getattr(litellm(), what)(**given, **account))

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
        words = without_secrets(" ".join(str(error).split()), *secret(self.service.key_env))
        return f"{type(error).__name__}: {words[:300]}"


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

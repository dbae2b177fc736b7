"""OpenAI's files and batches, by OpenAI's own client: at OpenAI, at Azure, at a gateway.

litellm has these calls too. It makes a client for each that follows redirects, so that another
host could be sent all prompts, and Azure's key with them. Here none is followed.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from llamaduo.batch.provider import Came, Line, Look, NotTaken, State
from llamaduo.batch.shown import Listed, Made, Shown, came
from llamaduo.secrets import without_secrets
from llamaduo.service.chat import ChatService
from llamaduo.service.credentials import secret
from llamaduo.service.direct import OPENAI
from llamaduo.service.transport import azure_client, litellm, tls

if TYPE_CHECKING:
    from openai import OpenAI

T = TypeVar("T")
M = TypeVar("M", Made, Shown, Listed)

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
class ThroughOpenai:
    """The batches of the account that a service is asked by."""

    service: ChatService
    seconds: float = 600.0
    """Until a request is given up; a file may have 200 MB."""

    def upload(self, lines: Sequence[Line]) -> str:
        """Hand over the lines as one JSONL file."""
        text = "".join(_written(line) + "\n" for line in lines)
        file = ("batch.jsonl", text.encode("utf-8"))
        return self._read(Made, lambda at: at.files.create(file=file, purpose="batch")).id

    def submit(self, uploaded: str, token: str) -> str:
        """Make a batch of an uploaded file."""
        made = self._read(
            Made,
            lambda at: at.batches.create(
                completion_window=WINDOW,
                endpoint=ENDPOINT,
                input_file_id=uploaded,
                metadata={NOTE: token},
            ),
        )
        return made.id

    def find(self, token: str) -> str:
        """Look through the list of batches."""
        after: dict[str, str] = {}
        for _ in range(PAGES):
            page = self._page(after)
            for one in page.data:
                if (one.metadata or {}).get(NOTE) == token:
                    return one.id
            if not page.data or not page.has_more:
                break
            after = {"after": page.data[-1].id}
        return ""

    def look(self, id: str) -> Look:
        """Say where a batch stands."""
        shown = self._shown(id)
        counts = shown.request_counts
        errors = shown.errors.data if shown.errors and shown.errors.data else []
        return Look(
            state=_OVER.get(shown.status, State.RUNNING),
            said=shown.status,
            total=counts.total if counts else 0,
            completed=counts.completed if counts else 0,
            failed=counts.failed if counts else 0,
            why="; ".join(dict.fromkeys(f"{one.code}: {one.message}" for one in errors)),
        )

    def collect(self, id: str) -> Iterator[Came]:
        """Read the file of replies, and that of errors."""
        shown = self._shown(id)
        for name in (shown.output_file_id, shown.error_file_id):
            if name:
                yield from self._lines(name)

    def cancel(self, id: str) -> None:
        """Ask for no more of a batch to be answered."""
        self._read(Made, lambda at: at.batches.cancel(id))

    def _shown(self, id: str) -> Shown:
        return self._read(Shown, lambda at: at.batches.retrieve(id))

    def _page(self, after: dict[str, str]) -> Listed:
        return self._read(Listed, lambda at: at.batches.list(limit=PAGE, **after))

    def _lines(self, name: str) -> list[Came]:
        text = self._text(lambda at: at.files.content(name))
        written = text.split("\n")  # not splitlines(): a reply may hold U+2028
        lines = [came(line) for line in written if line.strip()]
        if lines and not any(line.id for line in lines):  # a login page; what was paid may follow
            said = self._clean(text)[:80]
            raise NotTaken(f"{name} is no file of replies: {said!r}", again=True)
        return lines

    def _read(self, kind: type[M], ask: Callable[[Any], Any]) -> M:
        """Make one request, once, and read what it says."""
        text = self._text(ask)
        try:
            return kind.model_validate_json(text)
        except ValidationError:
            said = self._clean(text)[:80]
            raise NotTaken(
                f"it answered what no server of OpenAI's batches does: {said!r}",
                again=True,
                unsure=True,
            ) from None

    def _text(self, ask: Callable[[Any], Any]) -> str:
        """Make one request, once; returns the body. Says in words why there is none."""
        import openai

        try:
            with self._client() as client:
                body: bytes = ask(_Raw(client)).content
                return body.decode("utf-8", "replace")
        except openai.APIStatusError as error:
            status = error.status_code
            again = status in (408, 409, 429) or status >= 500
            words = self._words(error)
            if 300 <= status < 400:
                words = f"HTTP {status}: it sends on to another address, which is not followed"
            raise NotTaken(
                words, again=again, unsure=status >= 500 or status == 408, unknown=status == 404
            ) from None
        except openai.APIConnectionError as error:  # time-outs too
            raise NotTaken(self._words(error), again=True, unsure=True) from None
        except openai.OpenAIError as error:
            raise NotTaken(self._words(error), again=False) from None

    @contextmanager
    def _client(self) -> "Iterator[OpenAI]":
        """Open a client that sends nothing twice, and nowhere else."""
        import httpx
        import openai

        account = self.service.account()
        model, key = self.service.model, account.get("api_key")
        _, provider, own_key, base = litellm().get_llm_provider(
            model=model, api_base=account.get("api_base"), api_key=key
        )
        if provider == "openai":  # whatever address the environment names beside it
            base = OPENAI
        with httpx.Client(follow_redirects=False, verify=tls(), timeout=self.seconds) as wire:
            if provider == "azure":
                made = azure_client(account)
                yield made.with_options(http_client=wire, max_retries=0, timeout=self.seconds)
            else:
                yield openai.OpenAI(
                    # Another's server is never sent the key that the client finds for OpenAI.
                    api_key=key or own_key or (None if provider == "openai" else "none"),
                    base_url=account.get("api_base") or base,
                    http_client=wire,
                    max_retries=0,  # else a batch of which no word came would be made again
                    timeout=self.seconds,
                )

    def _words(self, error: Exception) -> str:
        """Return the error in one short line, without the value of any key."""
        return f"{type(error).__name__}: {self._clean(str(error))[:300]}"

    def _clean(self, text: str) -> str:
        return without_secrets(" ".join(text.split()), *secret(self.service.key_env))


class _Raw:
    """A client's files and batches, whose replies are handed on as they came."""

    def __init__(self, client: "OpenAI") -> None:
        self.files = client.files.with_raw_response
        self.batches = client.batches.with_raw_response


def _written(line: Line) -> str:
    """Return a line as OpenAI takes it."""
    asked = {"custom_id": line.id, "method": "POST", "url": ENDPOINT, "body": line.body}
    return json.dumps(asked)

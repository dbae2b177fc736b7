"""Callback of the gateway: one JSON line for each call, and which calls go back to the service.

`llamaduo rollout` puts this file beside litellm's config, with what it has to know in capture.json.
It stands by itself: it needs litellm and nothing of llamaduo. Nothing in it can break a call, or
keep one waiting: a thread of its own writes the lines, and one that cannot be written is counted,
and said in the gateway's log and in the next line (`lost_before`).
"""

import atexit
import fcntl
import json
import logging
import os
import queue
import re
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

HERE = Path(__file__).resolve().parent
LOG = logging.getLogger("llamaduo.capture")
FOLDER = "LLAMADUO_CAPTURE_DIR"
"""Environment variable: where the lines go. Without it, `logs` beside this file."""
LONGEST = 1_000_000
"""Bytes of a line, at most; where a chat makes it longer, the chat is left out, and said so."""
LONGEST_WORD = 2_000
"""Characters of an error's text that are kept."""
KEPT = (
    *("id", "litellm_call_id", "trace_id", "call_type", "stream", "status", "model"),
    *("model_group", "model_id", "custom_llm_provider", "startTime", "endTime"),
    *("completionStartTime", "response_time", "prompt_tokens", "completion_tokens"),
    *("response_cost", "cache_hit", "request_tags", "model_parameters", "messages", "response"),
)
"""Of litellm's StandardLoggingPayload. Who called, with which key and from where, is not in it."""
OF_ERROR = ("error_code", "error_class", "llm_provider", "error_message")
PARAMETERS = frozenset(
    {
        *("temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "n", "seed"),
        *("stop", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "stream"),
        *("top_logprobs", "response_format", "tools", "tool_choice", "parallel_tool_calls"),
        *("reasoning_effort",),
    }
)
"""Of model_parameters: what may change an answer. `user`, `metadata` and the like say who asks."""
WAITING = 1_000
"""Lines that wait for the disk, at most; the next is lost."""
LAST_SECONDS = 10
"""That the lines which wait have when the gateway ends."""
SAID_EVERY = 100
"""After the first, so many lost lines are one line of the log."""

_SECRET = re.compile(r"(?:^|_)(?:API)?(?:KEY|TOKEN|SECRET|PASSWORD)S?(?:_|$)")
_HEADERS = re.compile("(?i)^(extra_headers|headers|api_?key|authorization)$")
_BEARER = re.compile(
    r"\b(?i:bearer)\s+(?=[\w.~+/=-]*\d)[\w.~+/=-]{20,}|\bsk-(?=[\w-]*\d)[\w-]{20,}"
)


class Capture(CustomLogger):  # type: ignore[misc]  # litellm has no types for us
    """Writes what was asked and answered, and sends some calls back to the service."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        """Lines that could not be written since the gateway was started."""
        self._unsaid = 0
        """Of these, those that no line says yet."""
        self._one = threading.Lock()
        self._count = threading.Lock()
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue(WAITING)
        self._writer: threading.Thread | None = None
        try:
            self._known = settings()
        except (OSError, ValueError) as error:
            self._known = {"model": None, "escalate": []}
            LOG.error("llamaduo capture: no rule of escalation can be read: %s", error)
        atexit.register(self.flush, LAST_SECONDS)

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """Send a call that a rule names to the service, whatever the phase."""
        try:
            known = self._known
            if data.get("model") == known["model"] and isinstance(data.get("messages"), list):
                rule = escalated(data, known["escalate"])
                if rule is not None:
                    data["model"] = known["escalated"]
                    given = data.setdefault("metadata", {})
                    given["tags"] = [*(given.get("tags") or []), f"llamaduo-escalated:{rule}"]
        except Exception as error:  # a rule that fails must not cost a caller the answer
            LOG.error("llamaduo capture: a rule of escalation failed: %s", without_keys(str(error)))
        return data

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Write the line of a call that was answered."""
        self.take(kwargs)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Write the line of a call, or of one try of it, that failed."""
        self.take(kwargs)

    def take(self, kwargs: dict[str, Any]) -> None:
        """Have the line written, soon, and wait for nothing; with too many waiting it is lost."""
        try:
            if self._writer is None or not self._writer.is_alive():
                self._writer = threading.Thread(target=self._write_all, daemon=True)
                self._writer.start()
            self._waiting.put_nowait(  # litellm puts another payload into the same kwargs later
                {key: kwargs.get(key) for key in ("standard_logging_object", "litellm_params")}
            )
        except queue.Full:
            self._lose(f"{WAITING} lines wait for the disk")
        except Exception as error:  # no thread can be started
            self._lose(f"{type(error).__name__}: {error}")

    def flush(self, seconds: float) -> None:
        """Wait until the lines that were taken are written, `seconds` at most."""
        until = time.monotonic() + seconds
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.01)

    def _write_all(self) -> None:
        while True:
            kwargs = self._waiting.get()
            try:
                self.write(kwargs)
            finally:
                self._waiting.task_done()

    def write(self, kwargs: dict[str, Any]) -> None:
        """Append one line, whole or not at all, and see it on the disk."""
        lost = 0
        try:
            payload = kwargs.get("standard_logging_object")
            if not isinstance(payload, dict):
                self._lose("litellm gave no StandardLoggingPayload")
                return
            silent = is_silent(payload, kwargs)
            with self._count:
                lost, self._unsaid = self._unsaid, 0
            line = line_of(payload, silent, lost)
            folder = Path(os.environ.get(FOLDER) or HERE / "logs")
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            day = datetime.now(timezone.utc).strftime("%Y-%m-%d")  # noqa: UP017, older Pythons run this
            with self._one:
                append(folder / f"calls-{day}.jsonl", line)
        except Exception as error:  # a full disk, a folder that is not ours: never the caller's
            with self._count:
                self._unsaid += lost
            self._lose(f"{type(error).__name__}: {error}")

    def _lose(self, why: str) -> None:
        with self._count:
            self.lost += 1
            self._unsaid += 1
        if self.lost % SAID_EVERY == 1:
            LOG.error("llamaduo capture: %d not written so far: %s", self.lost, without_keys(why))


def settings() -> dict[str, Any]:
    """Return what `llamaduo rollout` wrote beside this file."""
    found: dict[str, Any] = json.loads((HERE / "capture.json").read_text(encoding="utf-8"))
    return found


def is_silent(payload: dict[str, Any], kwargs: dict[str, Any]) -> bool:
    """Whether the call is a copy that nobody waits for; litellm says so from 1.109 on."""
    places = [payload.get("metadata"), (kwargs.get("litellm_params") or {}).get("metadata")]
    return any(isinstance(at, dict) and bool(at.get("is_silent_experiment")) for at in places)


def line_of(payload: dict[str, Any], silent: bool, lost: int = 0) -> bytes:
    """Return what is kept of a call, as a line that ends.

    Args:
        lost: calls before it whose line could not be written.
    """
    row = {key: payload.get(key) for key in KEPT}
    row["is_silent_experiment"] = silent
    if lost:
        row["lost_before"] = lost
    row["model_parameters"] = _of_parameters(row["model_parameters"])
    row["request_tags"] = _of_tags(row["request_tags"])
    row["messages"] = _of_messages(row["messages"])
    error = payload.get("error_information")
    if payload.get("status") == "failure" or payload.get("error_str"):
        found = error if isinstance(error, dict) else {}
        said = {key: _short(found.get(key)) for key in OF_ERROR}
        said["error_message"] = said["error_message"] or _short(payload.get("error_str"))
        row["error"] = said
    line = _json(row)
    if len(line) > LONGEST:
        row["too_long"] = len(line)
        row["messages"] = row["response"] = None
        row["model_parameters"] = row["request_tags"] = None
        line = _json(row)[: LONGEST - 1]
    return line + b"\n"


def _of_parameters(given: Any) -> Any:
    if not isinstance(given, dict):
        return None
    kept = {key: value for key, value in given.items() if key in PARAMETERS}
    text = json.dumps(_headless(kept), default=str)
    return json.loads(_BEARER.sub("[key]", text))


def _headless(value: Any) -> Any:
    """Return a value without headers and keys, however deep (a tool's address may have some)."""
    if isinstance(value, dict):
        return {k: _headless(v) for k, v in value.items() if not _HEADERS.match(str(k))}
    return [_headless(one) for one in value] if isinstance(value, list) else value


def _of_tags(tags: Any) -> Any:
    """Return the tags that callers and rules gave; litellm adds one with who called."""
    if not isinstance(tags, list):
        return None
    return [one for one in tags if not str(one).startswith("User-Agent:")]


def _of_messages(messages: Any) -> Any:
    if not isinstance(messages, list):
        return messages
    return [_nameless(one) if isinstance(one, dict) else one for one in messages]


def _nameless(message: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key != "name"}


def _short(value: Any) -> Any:
    """Return the beginning of an error's word, without what looks like a key."""
    return None if value is None else _BEARER.sub("[key]", str(value))[:LONGEST_WORD]


def _json(row: dict[str, Any]) -> bytes:
    text = json.dumps(row, default=str, separators=(",", ":"))
    return without_keys(text).encode("ascii", "replace")


def without_keys(text: str) -> str:
    """Return `text` with no value of a variable that is named like a key."""
    for name, value in os.environ.items():
        if len(value) >= 8 and _SECRET.search(name.upper()):
            text = text.replace(value, f"[{name}]")
    return text


def append(path: Path, line: bytes) -> None:
    """Put a line at the end of a file that other processes write too.

    One at a time: flock of the file itself, from before its size is read. Who takes lines out
    of it holds the same lock, and writes into the same file: one put in its place by a rename
    would lose what is being written to the old one. What a kill left of a line is ended first, and
    what a full disk took of this one is taken back, so that every other line stays whole.
    """
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            line = b"\n" + line
        try:
            if os.write(file, line) != len(line):
                raise OSError("the disk took only part of a line")
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            raise
    finally:
        os.close(file)


def escalated(data: dict[str, Any], rules: list[dict[str, Any]]) -> str | None:
    """Return the name of the first rule that sends a call to the service; None: none does."""
    tags = (data.get("metadata") or {}).get("tags") or data.get("tags") or []
    for rule in rules:
        if rule.get("tag") is not None and rule["tag"] in tags:
            return str(rule["name"])
        if rule.get("matches") is not None and re.search(rule["matches"], _text(data["messages"])):
            return str(rule["name"])
        over = rule.get("prompt_tokens_over")
        if over is not None and _tokens(data["messages"]) > over:
            return str(rule["name"])
    return None


def _text(messages: list[Any]) -> str:
    """Return what is said in a chat but for its system turns, which all calls may share."""
    found = []
    for message in messages:
        if isinstance(message, dict) and message.get("role") not in ("system", "developer"):
            content = message.get("content")
            parts = content if isinstance(content, list) else [{"text": content}]
            found += [str(p["text"]) for p in parts if isinstance(p, dict) and p.get("text")]
    return "\n".join(found)


def _tokens(messages: list[Any]) -> int:
    """Count a chat's tokens by litellm's own tokenizer: near those of the local model."""
    import litellm

    return int(litellm.token_counter(model="", messages=messages))


proxy_handler_instance = Capture()

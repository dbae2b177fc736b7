"""A registered version written by hand: prompts, what it says to them, what its base says."""

import json
from pathlib import Path

from llamaduo.promotion.held import Held
from llamaduo.promotion.references import Reference
from llamaduo.promotion.served import FILE, Served
from llamaduo.promotion.version import BASE, LENGTHS, REFERENCES
from llamaduo.records import Message
from llamaduo.serving import Lengths
from llamaduo.serving.endpoint import Endpoint
from llamaduo.tracker.registry import Version

N = 24
"""Prompts that a server on a socket is asked."""
MANY = 200
"""Enough to show two points of coverage."""
LENGTHS_OF = Lengths(n=300, median=12, p99=19, p999=20, longest=20, max_new_tokens=32)


def prompt(number: int) -> str:
    return f"Where is parcel {number}?"


def reference(number: int) -> Reference:
    return Reference(
        id=f"t-{number}",
        messages=(Message(role="user", content=prompt(number)),),
        text=f'{{"category": "shipping", "parcel": {number}}}',
        finish="stop",
        prompt_tokens=10 + number % 7,
    )


def base_answer(number: int) -> Reference:
    """The base chats, and is cut."""
    return reference(number).model_copy(
        update={"text": f"I am sorry to hear about parcel {number}. It", "finish": "length"}
    )


REFERENCES_ = [reference(number) for number in range(MANY)]
BASE_ = [base_answer(number) for number in range(MANY)]


def served(dtype: str = "float32") -> Served:
    return Served(
        form="merged",
        base="",
        local={
            "name": "small",
            "base": "org/small",
            "revision": "1",
            "licence": "Apache-2.0",
            "template": None,
            "end_of_turn": "<end>",
        },
        engine={"temperature": 0.2, "batch_size": 8, "weights": "merged", "dtype": dtype},
        max_new_tokens=32,
    )


def version(tags: dict[str, str] | None = None) -> Version:
    known = {"llamaduo.fingerprint": "f" * 16, "llamaduo.adapter": "a" * 16}
    return Version(name="ticket_triage", number="3", run="r", tags=known | (tags or {}), aliases=())


def held(dtype: str = "float32", *, base: bool = True, n: int = N) -> Held:
    """Return a version whose files nobody looks at."""
    return Held(
        version=version(),
        folder=Path("nowhere"),
        served=served(dtype),
        references=tuple(REFERENCES_[:n]),
        base_answers=tuple(BASE_[:n]) if base else None,
        lengths=LENGTHS_OF,
    )


def endpoint(url: str, *, base: str | None = None, attempts: int = 5) -> Endpoint:
    return Endpoint(
        engine="transformers",
        url=url,
        model="ticket_triage",
        base=base,
        concurrency=8,
        attempts=attempts,
        backoff=0.0,
        timeout=20,
    )


def write(into: Path, config: str) -> Path:
    """Write the files of a version as `promote` does, but for its weights."""
    (into / "artifacts" / "weights").mkdir(parents=True)
    (into / "artifacts" / FILE).write_text(served().model_dump_json())
    for name, rows in ((REFERENCES, REFERENCES_[:N]), (BASE, BASE_[:N])):
        (into / name).write_text("".join(one.model_dump_json() + "\n" for one in rows))
    (into / LENGTHS).write_text(LENGTHS_OF.model_dump_json())
    (into / "config.yaml").write_text(config)
    (into / "MLmodel").write_text(json.dumps({}))
    return into

"""Self-Instruct (Wang et al. 2023), as the paper asks for pairs like an example."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from pydantic import Field, field_validator

from llamaduo.component import Component, digest, seed_of
from llamaduo.progress import Progress
from llamaduo.prompt import fill, json_objects
from llamaduo.records import Example, Message, Origin, Outcome, Reply, Request
from llamaduo.service import Caller

LONGER = 4
"""A call that writes takes several times as long as one that marks: so many fewer at once."""

_PAIR = ("instruction", "response")
FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "contents": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in _PAIR},
                "required": list(_PAIR),
                "additionalProperties": False,
            },
        }
    },
    "required": ["contents"],
    "additionalProperties": False,
}
"""JSON schema of a reply. A response that is JSON itself comes as text in it."""


class SelfInstruct(Component):
    """Shows a few train rows of one category and asks for more of the kind."""

    prompt: str
    """Template with `{examples}`, `{count}` and, if wanted, `{topic}`."""
    rows: int = Field(ge=1)
    """Pairs asked for each round; fewer come back, and fewer still are kept."""
    per_call: int = Field(ge=1)
    """Pairs asked for in one call: more is cheaper, and less varied."""
    examples: int = Field(ge=1)
    """Train rows shown in one call."""
    max_tokens: int = Field(ge=1)
    """Tokens of a reply; one that is longer is cut, and lost."""
    temperature: float = Field(ge=0)
    topic: str = ""
    """What the pairs are about; empty: the task's name."""

    @field_validator("prompt")
    @classmethod
    def _names_its_fields(cls, prompt: str) -> str:
        missing = [f for f in ("{examples}", "{count}") if f not in prompt]
        if missing:
            raise ValueError(f"the writer would not see {', '.join(missing)}")
        return prompt

    def write(
        self,
        seeds: Sequence[Example],
        caller: Caller,
        *,
        topic: str,
        number: int,
        seed: int,
        done: Sequence[Example],
        progress: Progress,
    ) -> Iterator[Example]:
        """Write fresh rows; what was bought before a kill comes out of the ledger again."""
        calls = -(-self.rows // self.per_call)
        shown = pick_seeds(seeds, calls, self.examples, seed_of(seed, "seeds", number))
        there = {row.id for row in done}
        with progress.stage("synthesize", calls, "calls") as meter:
            wide = max(caller.at_once // LONGER, 1)
            for start in range(0, calls, wide):
                batch = shown[start : start + wide]
                requests = [
                    self._request(few, topic, number * calls + start + i)
                    for i, few in enumerate(batch)
                ]
                replies = caller.ask(requests, lambda request, text: why_unreadable(text))
                for i, (few, reply) in enumerate(zip(batch, replies, strict=True)):
                    place = f"s{number}-{start + i}"
                    for row in self._rows(few, reply, caller.name, place):
                        if row.id not in there:
                            yield row
                meter.step(len(batch), note=caller.spend)

    def _request(self, few: Sequence[Example], topic: str, sample: int) -> Request:
        pairs = [{"instruction": row.question, "response": row.target} for row in few]
        text = fill(
            self.prompt,
            examples="\n".join(json.dumps(pair, ensure_ascii=False) for pair in pairs),
            count=str(self.per_call),
            topic=self.topic or topic,
        )
        return Request(
            messages=(Message(role="user", content=text),),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            sample=sample,
            row=few[0].id,
            form=FORM,
        )

    def _rows(self, few: Sequence[Example], reply: Reply, by: str, place: str) -> Iterator[Example]:
        if reply.outcome is not Outcome.OK:
            return
        system = tuple(m for m in few[0].messages if m.role == "system")
        for i, pair in enumerate(pairs_in(reply.text)):
            origin = Origin(
                by=by,
                seeds=tuple(row.id for row in few),
                prompt=digest(self.prompt),
                note=_text(pair.get("note", "")),
            )
            asked = Message(role="user", content=_text(pair["instruction"]))
            yield Example(
                id=f"{place}-{i}",
                messages=(*system, asked),
                target=_text(pair["response"]),
                category=few[0].category,
                origin=origin,
            )


def pick_seeds(
    seeds: Sequence[Example], calls: int, few: int, seed: int
) -> list[tuple[Example, ...]]:
    """Choose for each call up to `few` rows of one category; every row comes up in turn."""
    draw = Random(seed)
    by_category: dict[str, list[Example]] = defaultdict(list)
    for row in seeds:
        by_category[row.category].append(row)
    order: list[Example] = []
    while len(order) < calls:
        order += draw.sample(list(seeds), len(seeds))
    chosen = []
    for first in order[:calls]:
        others = [row for row in by_category[first.category] if row is not first]
        chosen.append((first, *draw.sample(others, min(few - 1, len(others)))))
    return chosen


def pairs_in(reply: str) -> list[dict[str, Any]]:
    """Return the pairs of a reply: objects with `instruction` and `response`."""
    for found in json_objects(reply):
        contents = found.get("contents")
        if isinstance(contents, list):
            return [
                pair
                for pair in contents
                if isinstance(pair, dict) and "instruction" in pair and "response" in pair
            ]
    return []


def why_unreadable(reply: str) -> str:
    """Return why `reply` holds no pair; empty where it holds one."""
    return "" if pairs_in(reply) else "no `contents` with an instruction and a response"


def _text(value: Any) -> str:
    """Return text as it is; a service shown JSON as text may answer with JSON itself.

    Null is no text. Half of a surrogate pair, which no file can hold, becomes `?`.
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")

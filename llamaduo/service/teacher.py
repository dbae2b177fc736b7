"""The mind of the simulated service: what it knows is in its knowledge file, no more.

It reads only the messages it is sent. For a task it knows nothing of it edits the example
it is shown, and says so. Given the same messages and seed it says the same.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from llamaduo.component import seed_of
from llamaduo.prompt import json_objects

EDITED = "simulated: knows nothing of this task, edited the example"

_PLAIN = r"<{0}>\n(.*?)\n</{0}>"
_MARK = re.compile(r"<(?:instruction|reference|candidate)-(\w+)>")


@dataclass(frozen=True)
class Said:
    """A reply and how it ended."""

    text: str
    finish: str = "stop"


class Teacher:
    """Answers, writes pairs and judges, from `knowledge`.

    Args:
        noise: standard deviation of its marks, in points of 100.
        lean: points put on all its marks.
    """

    def __init__(self, knowledge: Mapping[str, Any], noise: float, lean: float = 0.0) -> None:
        self.knowledge = knowledge
        self.noise = noise
        self.lean = lean
        self.statements: Mapping[str, list[str]] = knowledge.get("statements", {})
        self.words = {
            label: Counter(word for s in said for word in set(_words(s)))
            for label, said in self.statements.items()
        }

    def reply(self, message: str, seed: int) -> Said:
        """Reply to the last message of a chat."""
        draw = Random(seed_of(message, seed))
        fenced = _fenced(message)
        if fenced is not None:
            return self._judge(fenced, draw)
        if "<examples>" in message:
            return self._write(message, draw)
        return Said(self._answer(message))

    def _answer(self, message: str) -> str:
        if not self.statements:
            return f"I only simulate a service and know nothing of this: {message[:80]}"
        asked = set(_words(message))

        def likelihood(label: str) -> float:
            total = len(self.statements[label])
            return sum(
                math.log((self.words[label][word] + 0.5) / (total + 1)) for word in sorted(asked)
            )

        return self._target(max(self.statements, key=likelihood))

    def _target(self, label: str) -> str:
        return json.dumps({self.knowledge["answer"]: label})

    def _write(self, message: str, draw: Random) -> Said:
        shown = _tagged(message, "examples")
        examples = json_objects(shown)
        if not examples:
            return Said("I only simulate a service and see no JSON example here.")
        wanted = re.search(r"\b(\d+) new pairs", message.replace(shown, ""))
        count = int(wanted[1]) if wanted else 1
        pairs = []
        for i in range(count):
            example = examples[i % len(examples)]
            label = self._label(str(example.get("response", "")))
            if label is None:
                text = _edited(str(example.get("instruction", "")), draw)
                answer = example.get("response", "")
                pairs.append({"instruction": text, "response": answer, "note": EDITED})
            else:
                text = self._ticket(label, draw)
                pairs.append({"instruction": text, "response": self._target(label)})
        if draw.random() < 0.01:
            return Said("Here are some ideas, though I would rather describe them in prose.")
        body = json.dumps({"contents": pairs}, ensure_ascii=False)
        return Said(f"Here you are (simulated).\n```json\n{body}\n```")

    def _label(self, target: str) -> str | None:
        for found in json_objects(target):
            label = found.get(str(self.knowledge.get("answer")))
            if isinstance(label, str) and label in self.statements:
                return label
        return None

    def _ticket(self, label: str, draw: Random) -> str:
        know = self.knowledge
        said = draw.choice(self.statements[label])
        asks = re.match(
            r"(how|what|which|when|where|why|who|is|are|can|could|do|does|will|would|may)\b",
            said,
            re.IGNORECASE,
        )
        if not asks and draw.random() < 0.12:
            said = f"{draw.choice(know['fillers'])}, {said}"
        text = said[0].upper() + said[1:] + ("?" if asks else draw.choice("...!"))
        if draw.random() < 0.25:
            text = f"{text} {draw.choice(know[draw.choice(('urgency', 'no_rush'))])}"
        if draw.random() < 0.3:
            context = draw.choice(know["context"])
            text = f"{context} {text}" if draw.random() < 0.5 else f"{text} {context}"
        if draw.random() < 0.3:
            text = f"{draw.choice(know['openers'])}{draw.choice((', ', '! ', '. '))}{text}"
        if draw.random() < 0.25:
            text = f"{text} {draw.choice(know['closers'])}"
        text = self._filled(text, draw)
        if draw.random() < 0.15:
            text = _misspelt(text, draw)
        return text.lower() if draw.random() < 0.15 else text

    def _filled(self, text: str, draw: Random) -> str:
        def one(hole: re.Match[str]) -> str:
            if hole[1] == "d":
                return str(draw.randint(1, 9))
            if hole[1] == "n":
                return str(draw.randint(2, 45))
            return str(draw.choice(self.knowledge["slots"][hole[1]]))

        while re.search(r"\{\w+\}", text):
            text = re.sub(r"\{(\w+)\}", one, text)
        return text

    def _judge(self, fenced: "Fenced", draw: Random) -> Said:
        chance = draw.random()
        if chance < 0.004:
            return Said("", finish="content_filter")
        if chance < 0.012:
            return Said("I would rather not put a number on this one.")
        likeness = _likeness(fenced.reference, fenced.candidate)
        marks: dict[str, Any] = {"tag": fenced.tag}
        for name in ("similarity", "precision"):
            mark = 96 * likeness + self.lean + draw.gauss(0, self.noise)
            marks[name] = {
                "reason": f"simulated: {100 * likeness:.0f} % of the reference is there",
                "score": round(min(max(mark, 1), 100)),
            }
        body = json.dumps(marks)
        return Said(f"My assessment (simulated):\n{body}" if chance < 0.5 else body)


def _tagged(message: str, tag: str) -> str:
    found = re.search(_PLAIN.format(tag), message, re.DOTALL)
    return found[1] if found else ""


@dataclass(frozen=True)
class Fenced:
    """What stands between a judge's marks, and the tag they carry."""

    tag: str
    reference: str
    candidate: str


def _fenced(message: str) -> Fenced | None:
    """Return what is to be judged; None where a message is no judge's.

    The tag is that of the first mark: no text that is judged stands before it.
    """
    first = _MARK.search(message)
    if first is None:
        return None
    texts = []
    for name in ("reference", "candidate"):
        _, opened, rest = message.partition(f"<{name}-{first[1]}>\n")
        text, closed, _ = rest.partition(f"\n</{name}-{first[1]}>")
        if not (opened and closed):
            return None
        texts.append(text)
    return Fenced(first[1], *texts)


def _likeness(reference: str, candidate: str) -> float:
    """Return 0..1: the share of JSON fields that agree, or the F1 of words for other texts."""
    try:
        wanted, got = json.loads(reference), json.loads(candidate)
    except (ValueError, RecursionError):
        wanted = got = None
    if isinstance(wanted, dict) and isinstance(got, dict) and (wanted or got):
        keys = sorted(set(wanted) | set(got))
        agree = [key in wanted and wanted[key] == got.get(key) for key in keys]
        return agree.count(True) / len(keys)
    a, b = Counter(_words(reference)), Counter(_words(candidate))
    shared = (a & b).total()
    return 2 * shared / (a.total() + b.total()) if shared else 0.0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _edited(text: str, draw: Random) -> str:
    """Swap two sentences, or two words where there is one sentence."""
    parts = re.split(r"(?<=[.!?])\s+", text)
    if len(parts) < 2:
        parts = text.split(" ")
    i, j = draw.randrange(len(parts)), draw.randrange(len(parts))
    parts[i], parts[j] = parts[j], parts[i]
    return " ".join(parts)


def _misspelt(text: str, draw: Random) -> str:
    """Drop, double or swap one letter of one word."""
    words = text.split(" ")
    at = draw.randrange(len(words))
    word = words[at]
    if len(word) > 4 and word.isalpha():
        i = draw.randrange(1, len(word) - 2)
        slips = (
            word[:i] + word[i + 1 :],
            word[: i + 1] + word[i:],
            word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        )
        words[at] = draw.choice(slips)
    return " ".join(words)

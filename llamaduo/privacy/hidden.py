"""One request with placeholders in the place of what was found, and the way back.

A placeholder is `[EMAIL_1]`: the kind, and a number that stands for one value in all messages
of the request. Where a text has one already, its number is left to it.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from llamaduo.component import digest
from llamaduo.privacy.finder import Finder, Found
from llamaduo.privacy.kinds import KINDS, Kind
from llamaduo.privacy.quoted import quoted
from llamaduo.records import Message, Request

PLACEHOLDER = re.compile(rf"\[({'|'.join(kind.upper() for kind in KINDS)})_(\d+)\]")


@dataclass(frozen=True)
class Value:
    """What a placeholder stands for."""

    says: str
    written: dict[int, str] = field(default_factory=dict)
    """As it stood in the request, by the number of JSON strings it stood in."""

    def at(self, depth: int) -> str:
        """Return it as it has to be written within so many JSON strings."""
        text = self.written.get(depth)
        if text is None:
            text = self.says
            for _ in range(depth):
                text = json.dumps(text, ensure_ascii=False)[1:-1]
        return text


class Hidden:
    """A request as it is sent. It knows what it hides; nothing of that is in `request`."""

    def __init__(self, asked: Request, finder: Finder) -> None:
        """Replace what is found, and the tag.

        A tag is a digest of texts with all values in them: who has the rest of the texts could
        try all phone numbers until one gives it. So what is sent has one of what is sent.
        """
        self._taken = {one[0] for m in asked.messages for one in PLACEHOLDER.finditer(m.content)}
        self._values: dict[str, Value] = {}
        self._names: dict[tuple[Kind, str], list[str]] = {}
        messages = [self._without(m, finder.find(m.content), asked.tag) for m in asked.messages]
        self._tag = self._own_tag = asked.tag
        if self._values and asked.tag:
            self._own_tag = digest([m.content.replace(asked.tag, "") for m in messages])
            messages = [_with_text(m, self._tagged(m.content)) for m in messages]
        self.request = asked.model_copy(update={"messages": tuple(messages), "tag": self._own_tag})

    def _tagged(self, text: str) -> str:
        return text.replace(self._tag, self._own_tag)

    def _without(self, message: Message, found: Sequence[Found], tag: str) -> Message:
        text = message.content
        tags = [m.span() for m in re.finditer(re.escape(tag), text)] if tag else []
        pieces, at = [], 0
        for one in found:
            if any(one.start < end and start < one.end for start, end in tags):
                continue
            pieces += [text[at : one.start], self._name(one, text[one.start : one.end])]
            at = one.end
        return _with_text(message, "".join([*pieces, text[at:]]))

    def _name(self, one: Found, written: str) -> str:
        """Return the value's placeholder; another way to write it has one of its own."""
        names = self._names.setdefault((one.kind, one.value), [])
        for name in names:
            if self._values[name].written.setdefault(one.depth, written) == written:
                return name
        number = sum(len(n) for (kind, _), n in self._names.items() if kind == one.kind) + 1
        while (name := f"[{one.kind.upper()}_{number}]") in self._taken:
            number += 1
        self._taken.add(name)
        names.append(name)
        self._values[name] = Value(one.value, {one.depth: written})
        return name

    def restored(self, reply: str) -> str:
        """Put the values back, each as it has to be written where its placeholder stands."""
        if not self._values:
            return reply
        if self._own_tag:
            reply = reply.replace(self._own_tag, self._tag)
        pieces, at = [], 0
        for start, end, name, depth in sorted(self._places(reply, 0)):
            pieces += [reply[at:start], self._values[name].at(depth)]
            at = end
        return "".join([*pieces, reply[at:]])

    def _places(self, text: str, depth: int) -> Iterator[tuple[int, int, str, int]]:
        """Yield where placeholders of this request stand, and in how many JSON strings."""
        own = [m for m in PLACEHOLDER.finditer(text) if m[0] in self._values]
        strings = [one for one in quoted(text) if "[" in one.written] if "[" in text else []
        for match in own:
            around = [s for s in strings if s.start <= match.start() and match.end() <= s.end]
            if not any(one.escaped for one in around):
                yield *match.span(), match[0], depth + bool(around)
        for one in strings:
            if one.escaped:
                for start, end, name, deeper in self._places(one.text, depth + 1):
                    yield *one.outside(start, end), name, deeper


def in_no_order(text: str, finder: Finder | None = None) -> str:
    """Return a text with every placeholder numbered 0, so that it is known whatever was beside it.

    Args:
        finder: puts placeholders in the place of what it finds, first.
    """
    if finder is not None:
        for one in reversed(finder.find(text)):
            text = f"{text[: one.start]}[{one.kind.upper()}_0]{text[one.end :]}"
    return PLACEHOLDER.sub(r"[\1_0]", text)


def _with_text(message: Message, text: str) -> Message:
    return message.model_copy(update={"content": text})

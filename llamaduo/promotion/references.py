"""What the promoted model says to the test prompts, greedily: for a served copy to be held against.

Nothing is judged, so this is no look at the test.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from llamaduo.engine.transformers import TransformersEngine
from llamaduo.judging import part
from llamaduo.lineage import Lineage, contents
from llamaduo.local import LocalModel, load
from llamaduo.progress import Progress
from llamaduo.promotion.served import Answering, Chat
from llamaduo.records import Answer, Example, Message, Placed, Record
from llamaduo.store import Folder, Rows, Store, Work


class Reference(Record):
    """The greedy answer to one prompt."""

    id: str
    """Of the coverage row."""
    messages: tuple[Message, ...]
    text: str
    finish: Literal["stop", "length", "none"]
    """`stop`: ended by its own end of turn. `length`: cut at the task's limit of tokens."""


def references(
    store: Store,
    split: Rows[Placed],
    local: LocalModel,
    adapter: Folder,
    engine: TransformersEngine,
    *,
    max_new_tokens: int,
    progress: Progress,
) -> Rows[Reference]:
    """Have every test prompt answered once without drawing, by what was judged otherwise."""
    rows = part(split, "test")
    greedy = engine.model_copy(update={"temperature": 0.0})

    def make(work: Work, done: tuple[Reference, ...]) -> Iterator[Reference]:
        answering = Answering(greedy, greedy.loaded(local, adapter.path), max_new_tokens)
        yield from answered(answering, rows, done, progress)
        del answering
        load.free()

    inputs = [greedy.key(), local.key(), adapter.content, contents(rows), max_new_tokens]
    return store.rows("references", inputs, Reference, make, Lineage((adapter.content,)))


def answered(
    answering: Answering,
    rows: Sequence[Example],
    done: Sequence[Reference],
    progress: Progress,
) -> Iterator[Reference]:
    """Answer `rows` but for those that are done; rows with one prompt get one answer."""
    there = {reference.id for reference in done}
    known: dict[Chat, Answer] = {}
    for reference in done:
        same = [row for row in rows if row.messages == reference.messages]
        if all(row.id in there for row in same):
            known[reference.messages] = Answer(
                example=same[0], text=reference.text, finish=reference.finish
            )
    chats = [row.messages for row in rows]
    for chat, answer in answering.say(chats, done=known, progress=progress):
        for row in rows:
            if row.messages == chat and row.id not in there:
                yield Reference(id=row.id, messages=chat, text=answer.text, finish=answer.finish)

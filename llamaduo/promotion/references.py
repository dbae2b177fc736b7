"""What the promoted model says to the test prompts, greedily: for a served copy to be held against.

And what its base says without the adapter, which is how one sees that a server left it out.
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

BASE_TOKENS = 64
"""Tokens of an answer of the base, at most: untuned, it would run on to the task's limit, and two
models part company long before."""

FORM = 2
"""Of a reference; part of the recipe. 2: with the tokens of its prompt."""


class Reference(Record):
    """The greedy answer to one prompt."""

    id: str
    """Of the coverage row."""
    messages: tuple[Message, ...]
    text: str
    finish: Literal["stop", "length", "none"]
    """`stop`: ended by its own end of turn. `length`: cut at the limit of tokens: the task's, or
    `BASE_TOKENS` for an answer of the base."""
    prompt_tokens: int | None = None
    """Of the prompt as it was laid out, up to where the answer begins. None: it was answered by
    a llamaduo that did not count them."""


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

    inputs = [greedy.key(), local.key(), adapter.content, contents(rows), max_new_tokens, FORM]
    return store.rows("references", inputs, Reference, make, Lineage((adapter.content,)))


def base_answers(
    store: Store,
    split: Rows[Placed],
    local: LocalModel,
    adapter: Folder,
    engine: TransformersEngine,
    *,
    max_new_tokens: int,
    progress: Progress,
) -> Rows[Reference]:
    """Have the base answer the same prompts without the adapter, `BASE_TOKENS` long at most.

    They are kept as long as the adapter is, though they do not depend on it.
    """
    rows = part(split, "test")
    greedy = engine.model_copy(update={"temperature": 0.0})
    most = min(max_new_tokens, BASE_TOKENS)

    def make(work: Work, done: tuple[Reference, ...]) -> Iterator[Reference]:
        bare = work.scratch  # a folder without an adapter
        answering = Answering(greedy, greedy.loaded(local, bare), most)
        yield from answered(answering, rows, done, progress)
        del answering
        load.free()

    inputs = [greedy.key(), local.key(), "the base", contents(rows), most, FORM]
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
                yield Reference(
                    id=row.id,
                    messages=chat,
                    text=answer.text,
                    finish=answer.finish,
                    prompt_tokens=len(answering.loaded.template.prompt(chat)),
                )

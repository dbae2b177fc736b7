"""What a promoted model is asked, as MLflow hands it over, read as chats."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from llamaduo.records import Message

_CHAT = TypeAdapter(tuple[Message, ...])

HOW = (
    'give a list of prompts, ["..."], or of chats, [{"messages": [{"role": "user", "content": '
    '"..."}]}]'
)


def chats_of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[tuple[Message, ...]]:
    """Read a table of one column: prompts as text, or chats.

    A list of bare message lists is refused: MLflow makes columns of the messages, and of a
    row with fewer of them a turn would be lost without a word.

    Raises:
        ValueError: saying what was found, and how to ask.
    """
    if len(columns) != 1:
        raise ValueError(f"the input has {len(columns)} columns ({', '.join(columns)}); {HOW}")
    return [_chat(at, row[0]) for at, row in enumerate(rows)]


def _chat(at: int, cell: Any) -> tuple[Message, ...]:
    if isinstance(cell, str):
        return (Message(role="user", content=cell),)
    if isinstance(cell, Mapping) and set(cell) == {"messages"}:
        cell = cell["messages"]
    cell = cell.tolist() if hasattr(cell, "tolist") else cell  # a server's JSON comes as an array
    try:
        chat = _CHAT.validate_python(cell)
    except ValidationError:
        raise ValueError(f"row {at} is no prompt and no chat; {HOW}") from None
    if not chat:
        raise ValueError(f"row {at} is a chat without a message; {HOW}")
    return chat

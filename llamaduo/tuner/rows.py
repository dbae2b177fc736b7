"""Rows as a trainer takes them: token ids, and labels on the answer only."""

from collections.abc import Sequence

from llamaduo.local.load import Template
from llamaduo.records import Example

Tokens = dict[str, list[int]]
"""`input_ids` and `labels` of one row, of the same length."""

NOTHING: Tokens = {"input_ids": [0], "labels": [-100]}
"""A row without an answer, which adds nothing to a step: for a process with no row in it."""


def tokens(
    rows: Sequence[Example], template: Template, max_length: int
) -> tuple[list[Tokens], list[str]]:
    """Return input ids and labels of the rows that fit, and the ids of those that do not.

    The prompt's labels are -100: no loss on it. The last label is the end of turn.
    """
    data, too_long = [], []
    for row in rows:
        prompt, answer = template.prompt(row.messages), template.answer(row.target)
        if len(prompt) + len(answer) > max_length:
            too_long.append(row.id)
        else:
            data.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return data, too_long

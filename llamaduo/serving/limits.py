"""How many tokens a server has to have room for: from the task's own prompts."""

from llamaduo.serving import Lengths

PREFILL = 4096
"""Tokens of prompts that TGI reads at once where it knows no better (`launcher/src/main.rs`)."""


def limits(lengths: Lengths) -> tuple[int, int]:
    """Return how many tokens a prompt may have, and a prompt with its answer.

    A prompt may be as long as 999 of 1000 of the task's. A longer one is refused at once, with
    an error that a gateway answers by the paid service, rather than that every request has
    memory set aside for the one in a thousand: a total half as large lets about twice as many
    requests share a GPU. An answer has the room that it had when the model was judged, never
    less, so that no prompt that is taken in has its answer cut.
    """
    longest = max(lengths.p999, 1)
    return longest, longest + lengths.max_new_tokens


def prefill(lengths: Lengths) -> int:
    """Return how many tokens of prompts are read at once; never less than one prompt has.

    TGI's documentation takes 50 more than the longest prompt. For short prompts that would read
    them one by one, so no less than its launcher's own 4096.
    """
    longest, _ = limits(lengths)
    return max(longest + 50, PREFILL)

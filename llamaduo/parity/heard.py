"""A reference answer beside what the endpoint said to the same prompt, and how the two compare."""

from typing import Literal

from llamaduo.promotion.references import Reference
from llamaduo.records import Outcome, Record, Reply

CAME = (Outcome.OK, Outcome.TRUNCATED)


class Heard(Record):
    """One prompt's answers."""

    reference: Reference
    text: str
    """What the endpoint said."""
    finish: Literal["stop", "length", "none"]
    """`none`: no answer came."""
    prompt_tokens: int | None
    """As the endpoint counted them; None: it did not say."""
    why: str = ""
    """Why no answer came."""
    base: Reference | None = None
    """What the base says without the adapter, where that is known."""

    @property
    def identical(self) -> bool:
        """Whether the endpoint said the same."""
        return said(self.text) == said(self.reference.text)

    @property
    def late(self) -> bool:
        """Whether the server says that it broke off what the reference ended with.

        `transformers serve` says so where the end of the turn is the last token allowed; a
        server that does not stop there says so too, where what follows is no text.
        """
        return self.identical and (self.finish, self.reference.finish) == ("length", "stop")

    @property
    def ended(self) -> bool:
        """Whether the answer ended by itself; one that is identical ended as its reference."""
        return (self.reference if self.identical else self).finish == "stop"

    @property
    def tellable(self) -> bool:
        """Whether its base would have said something else than the reference."""
        return self.base is not None and not begins(self.base, self.reference.text)

    @property
    def as_base(self) -> bool:
        """Whether the endpoint said what the base says, and not the reference."""
        return self.tellable and self.base is not None and begins(self.base, self.text)

    @property
    def cut(self) -> bool:
        """Whether the endpoint broke off what the reference goes on with."""
        return (
            self.finish == "length"
            and not self.identical
            and said(self.reference.text).startswith(said(self.text))
        )

    @property
    def runs_on(self) -> bool:
        """Whether the endpoint went on where the reference ended."""
        return (
            self.reference.finish == "stop"
            and not self.identical
            and said(self.text).startswith(said(self.reference.text))
        )


def said(text: str) -> str:
    """Return what counts of an answer: all but blanks and line ends at its two ends.

    Engines strip those, each in its own way, and nothing else; tokens that end a turn are no
    text to any of them. Within an answer every character counts, and so does its case.
    """
    return text.strip()


def begins(base: Reference, text: str) -> bool:
    """Whether `text` is what the base says, of which the beginning may be all that is kept."""
    known = said(base.text).rstrip("\N{REPLACEMENT CHARACTER}")  # cut within a character
    if base.finish == "stop" or not known:
        return said(text) == known
    return said(text).startswith(known)


def heard(reference: Reference, reply: Reply, base: Reference | None) -> Heard:
    """Put a reply beside its reference."""
    came = reply.outcome in CAME
    return Heard(
        reference=reference,
        text=reply.text if came else "",
        finish="none" if not came else "stop" if reply.outcome is Outcome.OK else "length",
        prompt_tokens=reply.usage.prompt_tokens or None,
        why="" if came else f"{reply.outcome}: {reply.cause}",
        base=base,
    )

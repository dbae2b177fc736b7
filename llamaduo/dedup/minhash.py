"""Near copies out: of train by MinHash and verification, of dev and test exactly."""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from pydantic import Field

from llamaduo.component import Component
from llamaduo.records import Example, Sifted
from llamaduo.similarity import Index, Sieve


class Minhash(Component):
    """Jaccard similarity of word 3-grams; no row goes without its real similarity measured."""

    version: ClassVar[int] = 1

    copies: float = Field(ge=0.4, le=1)
    """A fresh row this similar to a train row, or to a fresh one before it, is dropped.
    Below 0.4 MinHash would no longer propose every such pair."""
    leaks: float = Field(gt=0, le=1)
    """A fresh row this similar to a dev or test row is dropped. Lower keeps further away."""

    def sift(
        self,
        fresh: Sequence[Example],
        *,
        train: Sequence[Example],
        dev: Sequence[Example],
        test: Sequence[Example],
        why_not: Callable[[Example], str],
    ) -> Iterator[Sifted]:
        """Give every fresh row back, in order, kept or dropped with the reason."""
        known, sealed = Sieve(), {"dev": Index(), "test": Index()}
        for part, rows in (("dev", dev), ("test", test)):
            for row in rows:
                sealed[part].add(row.id, row.question)
        for row in train:
            known.add(row.id, row.question)
        for row in fresh:
            near_test = sealed["test"].nearest(row.question)
            found = {
                "test": near_test,
                "dev": sealed["dev"].nearest(row.question),
                "train": known.nearest(row.question),
            }
            dropped = why_not(row)
            part = max(found, key=lambda name: found[name][1])
            for name, limit in (("test", self.leaks), ("dev", self.leaks), ("train", self.copies)):
                if not dropped and found[name][1] >= limit:
                    dropped, part = f"near copy of {name}", name
            nearest, similarity = found[part]
            if not dropped:
                known.add(row.id, row.question)
            yield Sifted(
                example=row,
                dropped=dropped,
                nearest=nearest,
                similarity=similarity,
                nearest_test=near_test[1],
            )

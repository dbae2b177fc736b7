"""A task made of coverage rows: prompts with answers that users were satisfied with."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random
from typing import ClassVar

from pydantic import Field, model_validator

from llamaduo.component import Component, seed_of
from llamaduo.errors import DataError
from llamaduo.records import Example, Part, Placed
from llamaduo.similarity import groups
from llamaduo.task import Check
from llamaduo.task.rows import Rows


class Split(Component):
    """Shares of the rows; they add up to 1."""

    train: float = Field(ge=0, le=1)
    """Share that tunes and seeds synthesis."""
    dev: float = Field(ge=0, le=1)
    """Share that steers: judged every round."""
    test: float = Field(ge=0, le=1)
    """Share that is sealed: judged once, for the decision. 0 where the source brings its own."""
    seed: int = 0
    """Another seed is another split, so another test set. Not the run's seed, on purpose."""
    near: float = Field(0.5, ge=0.4, le=1)
    """Jaccard similarity from which two rows are near copies, kept in one part. Below 0.4
    MinHash would no longer propose every such pair."""

    @model_validator(mode="after")
    def _is_whole(self) -> "Split":
        total = self.train + self.dev + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + dev + test is {total:g}, and has to be 1")
        return self


class CoverageTask(Component):
    """Rows, their split, and checks."""

    operational: ClassVar[frozenset[str]] = frozenset({"licence"})

    name: str = Field(min_length=1)
    """What reports and MLflow call it."""
    rows: Rows
    split: Split
    volume: int | None = Field(None, ge=1)
    """Rows of the train part to use, out of every category alike. A larger volume holds a
    smaller one; dev and test stay as they are, and the other rows go out. None: all."""
    max_new_tokens: int = Field(ge=1)
    checks: dict[str, Check] = {}
    licence: str | None = None
    """Under what terms the rows may be used: an SPDX name or words. Printed where the run's data
    are accounted for. None: not given, which is printed too."""

    def place(self) -> Sequence[Placed]:
        """Share the rows out: each category in the given shares, near copies together.

        A row's part depends only on the rows before it, so rows added at the end of a
        source leave the parts of all others as they are. Where an added row is a near
        copy of two groups, the later group moves to the part of the earlier one.
        """
        read = self.rows.read()
        examples = [example for example, _ in read]
        of, begins = groups([row.question for row in examples], threshold=self.split.near)
        given: dict[int, set[Part]] = defaultdict(set)
        for (_, part), group in zip(read, of, strict=True):
            if part is not None:
                given[group].add(part)
        drawn = [new and part is None for new, (_, part) in zip(begins, read, strict=True)]
        parts = _share_out(examples, drawn, self.split)
        for group, named in given.items():
            parts[group] = "test" if "test" in named else min(named)
        placed = [
            Placed(example=example, part=_own_part(part, parts[group], group in given))
            for (example, part), group in zip(read, of, strict=True)
        ]
        self._refuse_empty_parts(placed)
        return placed if self.volume is None else self._down_to(self.volume, placed)

    def _down_to(self, volume: int, placed: Sequence[Placed]) -> list[Placed]:
        """Leave `volume` rows in train; the others go out."""
        train = [row.example for row in placed if row.part == "train"]
        if volume > len(train):
            raise DataError(
                f"task {self.name}: task.volume={volume} asks for more rows than the train part "
                f"has, {len(train)}; ask for {len(train)} at most, or task.volume=null for all"
            )
        kept = {row.id for row in in_order(train, self.split.seed)[:volume]}
        return [
            row.model_copy(update={"part": "out"})
            if row.part == "train" and row.example.id not in kept
            else row
            for row in placed
        ]

    def _refuse_empty_parts(self, placed: Sequence[Placed]) -> None:
        count = Counter(row.part for row in placed)
        empty = [part for part in ("train", "dev", "test") if not count[part]]
        if empty:
            raise DataError(
                f"task {self.name}: {len(placed)} rows leave none for {' and '.join(empty)} "
                f"({dict(count)}); add rows or change task.split"
            )


def in_order(rows: Sequence[Example], seed: int) -> list[Example]:
    """Return `rows` in a drawn order whose every beginning has its share of each category.

    Row k of the n of its category stands at (k - 1/2)/n, so that of the first m rows each
    category has m times its share, but for one row or so.

    Args:
        rows: with ids of their own.
        seed: another one draws another order.
    """
    drawn: dict[str, list[Example]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (seed_of(seed, "volume", row.id), row.id)):
        drawn[row.category].append(row)
    stands = [
        ((k + 0.5) / len(of), seed_of(seed, "volume", row.id), row.id, row)
        for of in drawn.values()
        for k, row in enumerate(of)
    ]
    return [row for *_, row in sorted(stands, key=lambda stand: stand[:3])]


def _own_part(given: Part | None, group: Part, pinned: bool) -> Part:
    """Rows that a source put in test stay there; their near copies from elsewhere go out."""
    if given == group or (given is None and not (pinned and group == "test")):
        return group
    return "out"


def _share_out(examples: Sequence[Example], drawn: Sequence[bool], split: Split) -> dict[int, Part]:
    """Draw a part for each row that is `drawn`, from what stands before it; by its index.

    A row whose group is joined to an earlier one, or put in a part by its source, keeps its
    place in the drawing, so that what comes after it is drawn as before.
    """
    shares: dict[Part, float] = {"train": split.train, "dev": split.dev, "test": split.test}
    taken: dict[str, Counter[Part]] = defaultdict(Counter)
    parts: dict[int, Part] = {}
    for i, wanted in enumerate(drawn):
        if not wanted:
            continue
        category = examples[i].category
        seen = taken[category]
        number = sum(seen.values()) + 1
        owed = {part: max(share * number - seen[part], 0.0) for part, share in shares.items()}
        draw = Random(seed_of(split.seed, category, number))
        [part] = draw.choices(list(owed), weights=list(owed.values()))
        seen[part] += 1
        parts[i] = part
    return parts

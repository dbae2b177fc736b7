"""The loop, walked with stand-ins for what is not there yet: what each stage would ask."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from llamaduo.engine.asked import Asked, as_sent
from llamaduo.engine.tgi import PROMPTS as PROVED
from llamaduo.engine.tgi import LiveAdapter
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.experiment import Experiment
from llamaduo.forecast.answers import Different
from llamaduo.forecast.figures import Line, Range, same
from llamaduo.forecast.lengths import Lengths, by_form
from llamaduo.forecast.marks import Marks
from llamaduo.forecast.models import beside
from llamaduo.forecast.priced import Guess, line
from llamaduo.forecast.sizes import Four, Sizes, alike, asked, judged, written
from llamaduo.judge.human import read as read_human
from llamaduo.judging import part, stop_of
from llamaduo.local.shape import folder_of
from llamaduo.looks import PROMPTS as LOOKED_AT
from llamaduo.records import Example, Part, Placed, Request
from llamaduo.service import Service
from llamaduo.task.shots import with_examples
from llamaduo.tuner.untuned import Untuned

ONCE = same(1.0)

PAIRS = (0.7, 1.5)
"""How long written pairs are likely to be, in lengths of the rows that are shown."""

ANSWERS = (0.5, 2.0)
"""How long a service's answers are likely to be, in lengths of the targets."""

TOKEN = 4
"""Bytes of a reply to one of its tokens, assumed."""


@dataclass
class Walk:
    """One run, stage by stage."""

    exp: Experiment
    placed: Sequence[Placed]
    lengths: Lengths
    services: dict[str, Service] = field(default_factory=dict)
    """Those that are asked, by name, in the order they come up."""

    def __post_init__(self) -> None:
        judge, seed = self.exp.judge, self.exp.seed
        parts: tuple[Part, ...] = ("dev", "test")
        self.rows = {name: part(self.placed, name) for name in ("train", *parts)}
        self.marks = {name: Marks(judge, self.rows[name], seed) for name in parts}
        self.different = {name: Different(self.rows[name]) for name in parts}

    def lines(self) -> Iterator[Line]:
        """Yield what every stage asks of every service, in the order of the loop."""
        on = self.exp.judge.on
        yield from self._search()
        yield from self._asked("answers of the endpoint", on)
        for number in range(self.rounds):
            yield from self._round(number)
        if on != "test":
            yield from self._asked("answers of the endpoint", "test")
            yield from self._judged("test judged", "test")
        yield from self._audit()
        yield from self._beside()

    @property
    def rounds(self) -> int:
        """Rounds at most: there is one where nothing is tuned."""
        return 1 if isinstance(self.exp.tuner, Untuned) else self.exp.rounds

    @property
    def drawn(self) -> int:
        """Answers to a prompt that can differ: the likeliest one is always the same."""
        engine = self.exp.engine
        greedy = isinstance(engine, TransformersEngine) and engine.temperature == 0
        return 1 if greedy else self.exp.samples

    @property
    def limit(self) -> int:
        """Tokens of an answer at most."""
        how = self.exp.engine.asked
        return self.exp.task.max_new_tokens if how is None else how.max_tokens

    def _search(self) -> Iterator[Line]:
        """Yield what the trials of a search ask."""
        search = self.exp.search
        if search is None or not search.judges:
            return
        trials = min(search.trials, search.points or search.trials)
        different = self.different["dev"].more(trials * self.drawn)
        if "judging" in search.stops:  # each but the first may be stopped after a few prompts
            share = min(LOOKED_AT / len(self.rows["dev"]), 1.0)
            low = max(different.low * (1 + (trials - 1) * share) / trials, different.least)
            different = different.model_copy(update={"low": low})
        yield from self._judgements(f"dev judged, {trials} trials", "dev", different)

    def _round(self, number: int) -> Iterator[Line]:
        """Yield what one round asks, and the rows that are written for the next."""
        exp = self.exp
        on, first = exp.judge.on, number == 0
        searched = exp.search is not None and exp.search.judges
        if not (first and searched and on == "dev"):  # else the best trial was the first round
            yield from self._judged(f"{on} judged", on, round=number, sure=first)
        if number + 1 < self.rounds:
            train = self.rows["train"]
            sizes = written(
                exp.synth, exp.service, train, topic=exp.task.name, number=number, seed=exp.seed
            )
            yield from self._line(
                exp.service,
                "synthetic",
                "rows written",
                alike(sizes),
                guess=self._pairs,
                why="the length of the rows that are shown",
                round=number,
                sure=False,
            )

    def _judged(
        self,
        name: str,
        on: Part,
        *,
        round: int | None = None,
        sure: bool = True,
        limit: int = 0,
        ends: bool = True,
    ) -> Iterator[Line]:
        """Yield what it takes to judge one model's answers on one part."""
        different = self.different[on].more(self.drawn, tuned=ends)
        yield from self._judgements(
            name, on, different, round=round, sure=sure, limit=limit, ends=ends
        )

    def _judgements(
        self,
        name: str,
        on: Part,
        different: Range,
        *,
        round: int | None = None,
        sure: bool = True,
        limit: int = 0,
        ends: bool = True,
    ) -> Iterator[Line]:
        marks, stop = self.marks[on], stop_of(self.exp, on, 1)
        for member, sizes in marks.once(limit or self.limit, ends=ends).items():
            times = different.times(marks.repeats(member, stop, self.exp.goal.at_least))
            service = self.exp.judge.services[member]
            yield from self._line(service, "judgements", name, sizes, times, round=round, sure=sure)

    def _audit(self) -> Iterator[Line]:
        """Yield what questioning the judge asks."""
        exp, marks = self.exp, self.marks["test"]
        if exp.judge.audit:
            probes, brief = marks.audited(exp.judge.audit, self.limit)
            for member, sizes in probes.items():
                times = same(marks.calls(member, brief))
                service = exp.judge.services[member]
                yield from self._line(service, "audit", "judge audited", sizes, times)
        if exp.judge.human is not None:
            given = [answer for answer, _ in read_human(exp.judge.human)]
            for member, known in judged(exp.judge, given).items():
                service = exp.judge.services[member]
                yield from self._line(service, "audit", "scored by a person", alike(known))

    def _beside(self) -> Iterator[Line]:
        """Yield what the baselines ask."""
        exp = self.exp
        for model in beside(exp, self.placed):
            yield from self._asked(f"{model.name}: answers", "test", model.shots)
            name = f"{model.name}: test judged"
            yield from self._judged(name, "test", sure=not model.later, ends=model.tuned)
        if "service" in exp.baselines:
            ceiling = exp.ceiling
            how = Asked(exp.service, ceiling.max_tokens, ceiling.temperature)
            sizes = asked(how, self.rows["test"], exp.samples)
            yield from self._answers("service: answers", how, sizes)
            different = self.different["test"].more(exp.samples, tuned=False)
            yield from self._judgements(
                "service: test judged", "test", different, limit=ceiling.max_tokens
            )

    def _asked(self, name: str, on: Part, shots: Sequence[Example] = ()) -> Iterator[Line]:
        """Yield what an engine asks that is an endpoint, with the proof of who answers."""
        how = self.exp.engine.asked
        if how is None:
            return
        prompts = self._sent([with_examples(row, shots) for row in self.rows[on]], how)
        if isinstance(how.proof, LiveAdapter) and how.proof.service.adapter is not None:
            proof = how.proof
            requests = [
                Request(messages=row.messages, max_tokens=proof.max_tokens, temperature=0, sample=k)
                for row in prompts[:PROVED]
                for k in range(3)  # with the adapter once, and without it twice
            ]
            sizes = Sizes(how.service)
            sizes.ask(requests)
            yield from self._answers(f"{name}, proof", how, sizes, stage="proof")
        yield from self._answers(name, how, asked(how, prompts, self.exp.samples))

    def _sent(self, prompts: list[Example], how: Asked) -> list[Example]:
        """Return prompts as they are sent: as the local template's text, if it is here."""
        local = self.exp.local
        if not how.as_text or folder_of(local) is not None:
            return as_sent(prompts, how, local)
        self.lengths.said[
            f"{how.service.name}: prompts are counted without the marks of {local.name}'s chat "
            "template, which is not here yet"
        ] = None
        return prompts

    def _answers(self, name: str, how: Asked, sizes: Sizes, stage: str = "asked") -> Iterator[Line]:
        why = "half to twice the length of the targets"
        yield from self._line(how.service, stage, name, alike(sizes), guess=self._targets, why=why)

    def _line(
        self,
        service: Service,
        stage: str,
        name: str,
        sizes: Four,
        times: Range = ONCE,
        *,
        guess: Guess = by_form,
        why: str = "the form in the prompt, with a few words to two sentences in each place",
        round: int | None = None,
        sure: bool = True,
    ) -> Iterator[Line]:
        self.services.setdefault(service.name, service)
        made = line(
            service,
            stage,
            name,
            sizes,
            times,
            self.lengths,
            guess,
            why,
            round=round,
            sure=sure,
        )
        yield from [made] if made is not None else []

    def _pairs(self, request: Request) -> tuple[float, float]:
        """Return the tokens of a reply that holds as many pairs as a call asks for."""
        count = getattr(self.exp.synth, "per_call", None)
        if count is None:
            return request.max_tokens / 10, request.max_tokens / 2
        pairs = (
            json.dumps({"instruction": row.question, "response": row.target}, ensure_ascii=False)
            for row in self.rows["train"]
        )
        tokens = count * fmean(len(pair.encode()) for pair in pairs) / TOKEN
        return tokens * PAIRS[0], tokens * PAIRS[1]

    def _targets(self, request: Request) -> tuple[float, float]:
        """Return the tokens of an answer like the targets."""
        tokens = fmean(len(row.target.encode()) for row in self.rows["test"]) / TOKEN
        return tokens * ANSWERS[0], tokens * ANSWERS[1]

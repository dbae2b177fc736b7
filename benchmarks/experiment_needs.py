"""What the paper's experiments would take: dollars, GPU hours and memory, by arithmetic alone.

    python benchmarks/experiment_needs.py

prints the tables of experiments/README.md from the composed configs: calls, prices and settings
are theirs, and what is assumed stands below. Nothing is called, downloaded or run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from llamaduo import memory
from llamaduo.config import from_overrides
from llamaduo.experiment import Experiment
from llamaduo.judge.paper import PaperJudge
from llamaduo.local.hub import HubModel
from llamaduo.local.shape import Shape
from llamaduo.service.chat import ChatService
from llamaduo.synth.self_instruct import SelfInstruct
from llamaduo.tuner.qlora import Qlora

LOCALS = ("gemma_2b", "gemma_7b", "mistral_7b", "llama3_8b")
JUDGES = ("gpt", "claude", "gemini_flash")


@dataclass(frozen=True)
class Rows:
    """What is known of a task's rows."""

    coverage: int
    """Rows to tune on."""
    test: int
    """Prompts of the test."""
    instruction: int
    """Characters, the mean."""
    response: int
    """Characters, the mean."""

    @property
    def tokens(self) -> float:
        """Tokens of a row in training, with the marks of its template."""
        return (self.instruction + self.response) / CHARACTERS + TEMPLATE


TASKS = {
    # Means of published coverage rows, all 334 and 284 of 334: github.com/deep-diver/llamaduo
    "classification": Rows(334, 16, 731, 174),
    "coding": Rows(334, 16, 388, 867),
    # Assumed.
    "summarization": Rows(395, 25, 2000, 500),
    "closed_qa": Rows(245, 15, 1200, 200),
}
CHARACTERS = 4.0
"""Of a token, in English; assumed."""
TEMPLATE = 20
"""Tokens of a row that are its template's; assumed."""
MARKS = 150
"""Tokens of a judge's reply: two reasons of a sentence or two, two marks, the tag; assumed."""
PAIR = 15
"""Tokens of the JSON round a pair of a written reply; assumed."""
UTILISATION = 0.3
"""Share of a GPU's peak that tuning reaches; assumed, not measured."""
PEAK = {"A100": 312e12, "L4": 121e12}
"""Dense bf16 operations a second, by NVIDIA's data sheets (A100 2021, L4 2023)."""
ANSWER = 256
"""Tokens of an answer that the memory's second column has labels on; assumed."""


@dataclass(frozen=True)
class Bill:
    """Calls on a service."""

    calls: int
    sent: float
    """Tokens of a prompt."""
    came: float
    """Tokens of a reply."""
    most: int
    """Tokens of a reply at most: where a service thinks, it thinks within them."""

    def usd(self, service: ChatService) -> float:
        """Return what they cost, thinking left out."""
        return self.calls * service.price.usd(1, 0) * self.sent + self._replies(service, self.came)

    def at_most(self, service: ChatService) -> float:
        """Return what they cost if every reply is as long as it may be."""
        return self.calls * service.price.usd(1, 0) * self.sent + self._replies(service, self.most)

    def _replies(self, service: ChatService, tokens: float) -> float:
        return self.calls * service.price.usd(0, 1) * tokens


def cell(task: str, local: str = "gemma_7b", judge: str = "claude") -> Experiment:
    """Compose one cell of the grid."""
    words = [f"task={task}", f"local={local}", f"service@judge.service={judge}"]
    return from_overrides(["experiments=paper_today", *words])


def chat(service: object) -> ChatService:
    """Return a service whose price is known."""
    assert isinstance(service, ChatService)
    return service


def qlora(exp: Experiment) -> Qlora:
    """Return the tuner of a recipe."""
    assert isinstance(exp.tuner, Qlora)
    return exp.tuner


def shape(exp: Experiment) -> Shape:
    """Return the shape of a recipe's base model."""
    assert isinstance(exp.local, HubModel)
    assert exp.local.shape is not None
    return exp.local.shape


def writing(exp: Experiment, rows: Rows) -> Bill:
    """Count the calls that write synthetic rows, once for each round but the first."""
    synth = exp.synth
    assert isinstance(synth, SelfInstruct)
    pair = (rows.instruction + rows.response) / CHARACTERS
    return Bill(
        calls=(exp.rounds - 1) * ceil(synth.rows / synth.per_call),
        sent=len(synth.prompt) / CHARACTERS + synth.examples * pair,
        came=synth.per_call * (pair + PAIR),
        most=synth.max_tokens,
    )


def judging(exp: Experiment, rows: Rows, models: int) -> Bill:
    """Count the calls that judge all answers of so many models to the test."""
    judge = exp.judge
    assert isinstance(judge, PaperJudge)
    texts = rows.instruction + 2 * rows.response  # the answer is taken to be as long as the target
    return Bill(
        calls=models * rows.test * exp.samples * judge.repeats,
        sent=(len(judge.prompt) + texts) / CHARACTERS,
        came=MARKS,
        most=judge.max_tokens,
    )


def answering(exp: Experiment, rows: Rows) -> Bill:
    """Count the service's own answers to the test."""
    return Bill(
        calls=rows.test * exp.samples,
        sent=rows.instruction / CHARACTERS,
        came=rows.response / CHARACTERS,
        most=exp.ceiling.max_tokens,
    )


def money() -> Iterator[str]:
    """Say what one cell costs, for each judge, and what all of them do."""
    yield (
        "| task | calls that write | by GPT | calls that judge | by GPT | by Claude | by Gemini "
        "| a cell at most |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    total, bound = 0.0, 0.0
    for task, rows in TASKS.items():
        exp = cell(task)
        teacher = chat(exp.service)
        written, answered = writing(exp, rows), answering(exp, rows)
        once = written.usd(teacher) + answered.usd(teacher)
        once_most = written.at_most(teacher) + answered.at_most(teacher)
        judged = judging(exp, rows, exp.rounds + 1)  # every round's model, and the service
        of_all = judging(exp, rows, exp.rounds * len(LOCALS) + 1)
        judges = [chat(cell(task, judge=name).judges[0]) for name in JUDGES]
        dollars = " | ".join(f"${judged.usd(judge):,.0f}" for judge in judges)
        most = once_most + max(judged.at_most(judge) for judge in judges)
        yield (
            f"| {task} | {written.calls:,} | ${once:,.0f} | {judged.calls:,} | {dollars} "
            f"| ${most:,.0f} |"
        )
        total += once + sum(of_all.usd(judge) for judge in judges)
        bound += once_most + sum(of_all.at_most(judge) for judge in judges)
    cells = len(TASKS) * len(LOCALS) * len(JUDGES)
    yield ""
    yield f"All {cells} cells: ${total:,.0f}; ${bound:,.0f} at most."


def steps(tuner: Qlora, rows: int) -> int:
    """Return the optimiser steps of so many rows."""
    return ceil(ceil(rows / (tuner.batch_size * tuner.accumulation)) * (tuner.epochs or 1))


def operations(exp: Experiment, rows: int, tokens: float) -> float:
    """Return the operations of a tuning.

    Six a weight and token: two each for the pass forward, the same again for gradient
    checkpointing, and the pass back, in which a frozen base has no gradient of its own.
    """
    return rows * (qlora(exp).epochs or 1) * tokens * 6 * shape(exp).linear


def hours(work: float, gpu: str, gpus: int = 1, utilisation: float = UTILISATION) -> float:
    """Return the hours that so many operations take."""
    return work / (PEAK[gpu] * gpus * utilisation) / 3600


def tuning() -> Iterator[str]:
    """Say what tuning takes: steps and GPU hours at 128,000 rows, memory at any volume."""
    yield (
        "| model | tuner | steps | hours, one A100 | hours, one L4 "
        f"| memory, answers of {ANSWER} tokens | memory at most |"
    )
    yield "|---|---|---|---|---|---|---|"
    for local in LOCALS:
        exp = cell("classification", local)
        tuner, rows = qlora(exp), TASKS["classification"]
        assert isinstance(exp.synth, SelfInstruct)
        count = rows.coverage + exp.synth.rows
        work = operations(exp, count, rows.tokens)
        yield (
            f"| {exp.local.name} | r {tuner.r}, {tuner.max_length} tokens, "
            f"{tuner.epochs:g} epochs | {steps(tuner, count):,} | {hours(work, 'A100'):,.0f} "
            f"| {hours(work, 'L4'):,.0f} | {memory.gib(peak(exp, ANSWER).total)} "
            f"| {memory.gib(peak(exp, tuner.max_length).total)} |"
        )
    yield ""
    for local in LOCALS:
        exp = cell("classification", local)
        yield f"- {exp.local.name}: {peak(exp, ANSWER).in_words()}."


def peak(exp: Experiment, labelled: int) -> memory.Need:
    """Return what tuning takes at its peak on a GPU, where base and adapter are bf16."""
    tuner = qlora(exp)
    return memory.tuning(
        shape(exp),
        r=tuner.r,
        layers=tuner.layers,
        batch=tuner.batch_size,
        length=tuner.max_length,
        labelled=labelled,
        checkpointing=True,
        dropout=tuner.dropout > 0,
        width=2,
        cpu=False,
    )


VOLUMES = {
    # By the paper's released configs: rows asked for, and the tuner of each model.
    1_000: ("tuner.epochs=10", "tuner=qlora"),
    4_000: ("tuner.epochs=10", "tuner=qlora"),
    16_000: ("tuner.epochs=10", "tuner=qlora"),
    32_000: ("tuner.epochs=10", "tuner=qlora_r16"),
    64_000: ("tuner.epochs=15", "tuner=paper_gemma_7b"),
    128_000: ("tuner.epochs=15", "tuner=paper_gemma_7b"),
    256_000: ("tuner.epochs=15", "tuner=paper_gemma_7b"),
}


def volumes() -> Iterator[str]:
    """Say what a volume of summarization takes; a larger one has paid for the smaller ones."""
    rows = TASKS["summarization"]
    yield (
        "| rows | written by GPT, in all | Gemma 2B: steps, A100 hours "
        "| Gemma 7B: steps, A100 hours |"
    )
    yield "|---|---|---|---|"
    base = ["experiments=paper_volume"]
    for volume, (small, large) in VOLUMES.items():
        two = from_overrides(
            [*base, f"synth.rows={volume}", "local=gemma_2b", "tuner=paper_gemma_2b", small]
        )
        seven = from_overrides([*base, f"synth.rows={volume}", large])
        count = volume + rows.coverage
        each = " | ".join(
            f"{steps(qlora(exp), count):,}, "
            f"{hours(operations(exp, count, rows.tokens), 'A100'):,.1f}"
            for exp in (two, seven)
        )
        yield f"| {volume:,} | ${writing(seven, rows).usd(chat(seven.service)):,.0f} | {each} |"
    work = operations(seven, count, rows.tokens)
    eight = hours(work, "A100", 8)
    full = hours(work, "A100", 8, 1.0)
    yield ""
    yield (
        f"Gemma 7B on the last, with eight A100: {eight:,.0f} hours, and {full:.1f} at their full "
        "peak. The paper has about one hour, which is one epoch at full peak "
        f"({full / (qlora(seven).epochs or 1):.1f} hours), and not ten."
    )


def main() -> None:
    """Print all tables."""
    for title, lines in (
        ("Dollars of one cell", money()),
        ("Tuning on 128,000 rows of classification", tuning()),
        ("Volumes of summarization", volumes()),
    ):
        print(f"### {title}\n")
        print("\n".join(lines), end="\n\n")


if __name__ == "__main__":
    main()

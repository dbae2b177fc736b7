"""The other models on the same test prompts: what the decided one has to be better than."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llamaduo.experiment import Experiment
from llamaduo.judging import Judged, training
from llamaduo.records import Placed
from llamaduo.stages import Stages
from llamaduo.store import Folder, Rows
from llamaduo.tuner.untuned import Untuned


@dataclass(frozen=True)
class Model:
    """A model of one's own to set beside the decided one."""

    name: str
    adapter: Folder
    shots: int
    """Examples of train that each prompt begins with."""


def models(
    exp: Experiment, stages: Stages, split: Rows[Placed], adapters: Sequence[Folder]
) -> list[Model]:
    """Return the baselines that are local models, tuned; the same model comes once.

    The gain that synthetic rows may claim is the one over coverage rows tuned on for as
    many steps as the last round: much of what a later round gains is longer training.
    """
    steps = training(adapters[-1]).steps
    coverage = stages.train(split, [])
    found: dict[tuple[str, int], Model] = {}
    for baseline in exp.baselines:
        shots = 0
        if baseline == "service":
            continue
        if baseline in ("untuned", "few_shot"):
            shots = exp.shots if baseline == "few_shot" else 0
            as_is = "untuned" if exp.local.adapter is None else "the adapter as given"
            name = f"{as_is}, {shots} examples" if shots else as_is
            adapter = stages.tune(coverage, Untuned(), split)
        elif baseline == "coverage":
            name, adapter = "coverage rows alone", adapters[0]
        else:
            name = "coverage rows alone, at equal steps"
            equal = exp.tuner.for_steps(steps)
            adapter = stages.tune(coverage, equal, split) if len(adapters) > 1 else adapters[0]
        found[adapter.content, shots] = Model(name, adapter, shots)
    found.pop((adapters[-1].content, 0), None)
    return list(found.values())


def others(
    exp: Experiment, stages: Stages, split: Rows[Placed], adapters: Sequence[Folder]
) -> Iterator[Judged]:
    """Judge the baselines on the test prompts, one by one."""
    for model in models(exp, stages, split, adapters):
        yield stages.judge(model.name, model.adapter, split, "test", shots=model.shots)
    if "service" in exp.baselines:
        yield stages.ceiling(split)

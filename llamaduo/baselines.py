"""The other models on the same test prompts: what the decided one has to be better than."""

from collections.abc import Iterator, Sequence

from llamaduo.experiment import Experiment
from llamaduo.judging import Judged, training
from llamaduo.records import Placed
from llamaduo.stages import Stages
from llamaduo.store import Folder, Rows
from llamaduo.tuner.untuned import Untuned


def others(
    exp: Experiment, stages: Stages, split: Rows[Placed], adapters: Sequence[Folder]
) -> Iterator[Judged]:
    """Judge the baselines on the test prompts, one by one; the same model is judged once.

    The gain that synthetic rows may claim is the one over coverage rows tuned on for as
    many steps as the last round: much of what a later round gains is longer training.
    """
    steps = training(adapters[-1]).steps
    coverage = stages.train(split, [])
    models: dict[tuple[str, int], tuple[str, Folder]] = {}
    for baseline in exp.baselines:
        shots = 0
        if baseline == "service":
            continue
        if baseline in ("untuned", "few_shot"):
            shots = exp.shots if baseline == "few_shot" else 0
            name = f"untuned, {shots} examples" if shots else "untuned"
            adapter = stages.tune(coverage, Untuned(), split)
        elif baseline == "coverage":
            name, adapter = "coverage rows alone", adapters[0]
        else:
            name = "coverage rows alone, at equal steps"
            equal = exp.tuner.for_steps(steps)
            adapter = stages.tune(coverage, equal, split) if len(adapters) > 1 else adapters[0]
        models[adapter.content, shots] = (name, adapter)
    models.pop((adapters[-1].content, 0), None)
    for (_, shots), (name, adapter) in models.items():
        yield stages.judge(name, adapter, split, "test", shots=shots)
    if "service" in exp.baselines:
        yield stages.ceiling(split)

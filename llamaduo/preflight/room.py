"""Whether models fit: what tuning and answering take, against the GPU or the memory here."""

from collections.abc import Iterator

from llamaduo.engine.transformers import TransformersEngine
from llamaduo.experiment import Experiment
from llamaduo.local.shape import Shape, shape_of
from llamaduo.machine import Gpu, Machine
from llamaduo.memory import Need, answering, gib, tuning
from llamaduo.preflight.finding import Finding, look, missing, ok
from llamaduo.tuner.qlora import Qlora
from llamaduo.tuner.recompute import recomputes

BF16 = (8, 0)
"""Compute capability from which a GPU multiplies bf16."""

SLOW = 1_000_000_000
"""Parameters from which a CPU takes minutes for a step of tuning."""


def loads(exp: Experiment) -> bool:
    """Whether this process loads the local model: to tune it, or to have it answer."""
    return exp.engine.asked is None or isinstance(exp.tuner, Qlora)


def gpus(exp: Experiment, here: Machine) -> Iterator[Finding]:
    """Yield a line for the GPU that is used, and one for those that are not."""
    if not loads(exp):
        return
    if not here.gpus:
        shape = shape_of(exp.local)
        if shape is not None and shape.parameters >= SLOW:
            size = f"{shape.parameters / 1e9:.1f} billion parameters"
            yield look(
                f"no GPU, and {exp.local.name} has {size}: a step of tuning takes minutes on a "
                "CPU; take a machine with a GPU, or local=smollm2_135m"
            )
        else:
            yield ok("no GPU: fine for models of some hundred million parameters")
        return
    yield _first(here.gpus[0])
    used = exp.tuner.processes if isinstance(exp.tuner, Qlora) else 1
    if len(here.gpus) > used:
        first = f"the first {used}" if used > 1 else "the first"
        yield ok(
            f"{len(here.gpus)} GPUs, of which a run uses {first}: tuning takes several with "
            "tuner.processes, or give each run its own with CUDA_VISIBLE_DEVICES=0, =1, ..."
        )


def _first(gpu: Gpu) -> Finding:
    capability = ".".join(map(str, gpu.capability))
    said = (
        f"GPU {gpu.name}, {gib(gpu.memory)}, {gib(gpu.free)} free, compute capability {capability}"
    )
    if gpu.capability >= BF16:
        return ok(said)
    return look(
        f"{said}: bf16 needs 8.0, and is emulated here or refused, so tuning is several times "
        "slower if it runs at all; an L4, A10 or A100 has it"
    )


def memory(exp: Experiment, here: Machine) -> Iterator[Finding]:
    """Yield a line for tuning and one for answering, as far as this process does them."""
    if not loads(exp):
        return
    shape = shape_of(exp.local)
    if shape is None:
        yield look(
            f"memory is not estimated: the shape of {exp.local.name} is not known before its "
            "config.json is here; local.shape can say it (conf/local/gemma_2b.yaml has one)"
        )
        return
    if isinstance(exp.tuner, Qlora):
        need = tuning_of(exp, exp.tuner, shape, here)
        how = f", activations {'computed again' if again(exp, shape, here) else 'kept'}"
        yield verdict("tuning", need, here, _smaller(exp.tuner), how)
    if isinstance(exp.engine, TransformersEngine):
        smaller = f"lower engine.batch_size={exp.engine.batch_size}"
        yield verdict("answering", answering_of(exp, exp.engine, shape, here), here, smaller)


def again(exp: Experiment, shape: Shape, here: Machine) -> bool:
    """Whether activations would be computed again, with all rows as long as they may be."""
    assert isinstance(exp.tuner, Qlora)
    length = exp.tuner.max_length
    labelled = min(length, exp.task.max_new_tokens)
    return recomputes(exp.tuner, shape, here, length=length, labelled=labelled)


def tuning_of(exp: Experiment, tuner: Qlora, shape: Shape, here: Machine) -> Need:
    """Return what tuning takes with all rows at `max_length`, answers as long as allowed.

    Of several processes it is what one takes, on its own GPU.
    """
    length, labelled = tuner.max_length, min(tuner.max_length, exp.task.max_new_tokens)
    return tuning(
        shape,
        r=tuner.r,
        layers=tuner.layers,
        batch=tuner.batch_size // (tuner.processes if here.gpus else 1),
        length=length,
        labelled=labelled,
        checkpointing=again(exp, shape, here),
        dropout=tuner.dropout > 0,
        width=here.width,
        cpu=not here.gpus,
    )


def answering_of(exp: Experiment, engine: TransformersEngine, shape: Shape, here: Machine) -> Need:
    """Return what answering takes with prompt and answer as long as a row may be in tuning.

    The baseline `few_shot` puts `shots` rows before each prompt.
    """
    tuned = exp.tuner.max_length if isinstance(exp.tuner, Qlora) else 0
    before = 1 + (exp.shots if "few_shot" in exp.baselines else 0)
    return answering(
        shape,
        batch=engine.batch_size,
        prompts=max(engine.batch_size // exp.samples, 1),
        length=before * max(tuned, exp.task.max_new_tokens),
        width={"float32": 4, "bfloat16": 2}.get(engine.dtype, here.width),
        four_bit=engine.weights == "nf4",
    )


def _smaller(tuner: Qlora) -> str:
    ways = [] if tuner.gradient_checkpointing else ["set tuner.gradient_checkpointing=true"]
    if tuner.batch_size > 1:
        ways.append(f"lower tuner.batch_size={tuner.batch_size} and raise tuner.accumulation")
    ways.append(f"lower tuner.max_length={tuner.max_length}")
    return ", or ".join(ways)


def verdict(what: str, need: Need, here: Machine, smaller: str, how: str = "") -> Finding:
    """Hold the weights against all there is, and the whole need against what is free of it."""
    place, size, free = here.room
    if need.weights > size:
        return missing(
            f"memory for {what}: the weights alone take {gib(need.weights)}, and {place} has "
            f"{gib(size)}; choose a smaller local model or a larger machine"
        )
    said = f"memory for {what}: about {gib(need.total)} at most{how} ({need.in_words()})"
    if need.total > free:
        return look(f"{said}, and {gib(free)} of {place} are free; {smaller}")
    return ok(f"{said}; {gib(free)} of {place} are free")

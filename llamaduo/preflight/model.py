"""The local model itself: its template and end of turn, and who can serve its adapter."""

from collections.abc import Iterator

from llamaduo.errors import ModelError, UsageError
from llamaduo.experiment import Experiment
from llamaduo.local import LocalModel, load, template_digest
from llamaduo.local.adapter import settings
from llamaduo.local.hub import HubModel
from llamaduo.local.shape import folder_of, shape_of
from llamaduo.machine import Machine
from llamaduo.preflight.finding import Finding, look, missing, ok
from llamaduo.serving import Given
from llamaduo.serving.capability import ENGINES, Asked, against
from llamaduo.serving.contained import Contained
from llamaduo.serving.delivery import delivered
from llamaduo.serving.reading import of_adapter, of_base
from llamaduo.serving.transformers import TransformersServing
from llamaduo.tuner.qlora import Qlora
from llamaduo.tuner.trainer import PROJECTIONS


def template(local: LocalModel) -> tuple[load.Template | None, Finding]:
    """Load the tokenizer that is here and check its template; say so if it is not here."""
    folder = folder_of(local)
    if folder is None:
        return None, ok("chat template: checked once the model is here, before it is tuned")
    try:
        found = load.template(local)
    except ModelError as error:
        return None, missing(f"chat template: {error}")
    except (OSError, ValueError) as error:
        words = " ".join(str(error).split())[:200]
        return None, missing(
            f"tokenizer: what is in {folder} cannot be read ({words}); remove the folder, and it "
            "is made anew"
        )
    digest = template_digest(local)
    return found, ok(f"chat template {digest}: every answer ends with {local.end_of_turn}")


def unserved(exp: Experiment) -> Iterator[Finding]:
    """Yield a line if what comes out cannot be served as `serving` asks. It stops no run."""
    if isinstance(exp.serving, TransformersServing):
        return  # it takes whatever was merged
    tuned = planned(exp)
    if tuned is None:
        return
    try:
        exp.serving.delivered(tuned)
    except UsageError as error:
        yield look(str(error))


def serving(exp: Experiment, here: Machine) -> Iterator[Finding]:
    """Yield how the chosen engine would serve the model; then, in brief, how others would."""
    tuned = planned(exp)
    if tuned is None:
        return
    chosen = exp.serving.engine
    gpu = Asked(capability=here.gpus[0].capability if here.gpus else None)
    try:
        form, why = exp.serving.delivered(tuned)
    except UsageError:
        pass  # said by `unserved`, at the start of a run too
    else:
        said = f"will be served by {ENGINES.get(chosen, chosen)}: {_words(form, why)}"
        turned = isinstance(exp.serving, Contained) and exp.serving.delivery == "auto" and why
        yield look(said) if turned else ok(said)
        if form == "adapter":
            for _, why in against(chosen, tuned, gpu):
                yield look(f"will be served by {ENGINES[chosen]}, but not on a GPU as here: {why}")
    others: dict[str, list[str]] = {}
    for engine, name in ENGINES.items():
        if engine not in (chosen, "transformers"):
            others.setdefault(_elsewhere(engine, tuned, gpu), []).append(name)
    for words, names in others.items():
        yield ok(f"would be served by {', '.join(names)}: {words}")


def _elsewhere(engine: str, tuned: Given, gpu: Asked) -> str:
    try:
        return _words(*delivered(engine, tuned, gpu, "auto"))
    except UsageError as error:
        return f"not at all: {error}"


def planned(exp: Experiment) -> Given | None:
    """Return what a version of the run would be; None where no adapter is tuned or known."""
    shape = shape_of(exp.local)
    if shape is None or not isinstance(exp.tuner, Qlora):
        return None
    local, tuner = exp.local, exp.tuner
    if local.adapter is not None:
        adapter = of_adapter(settings(local.adapter), shape.layers)
    else:
        whole = tuner.layers is None or tuner.layers >= shape.layers
        adapter = {"r": tuner.r, "targets": PROJECTIONS, "every_layer": whole}
    return Given(
        name=exp.task.name,
        number="1",
        form="adapter",
        family=shape.family,
        base=local.base,
        revision=local.revision,
        dtype="bfloat16",
        hub=isinstance(local, HubModel),
        gated=isinstance(local, HubModel) and local.gated,
        **adapter,
        **of_base(folder_of(local), local.end_of_turn),
    )


def _words(form: str, why: str) -> str:
    return form + (f": {why}" if why else "")

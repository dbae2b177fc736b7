"""The local model itself: its template and end of turn, and who can serve its adapter."""

from collections.abc import Iterator

from llamaduo.errors import ModelError
from llamaduo.experiment import Experiment
from llamaduo.local import LocalModel, load, template_digest
from llamaduo.local.shape import folder_of, shape_of
from llamaduo.machine import Machine
from llamaduo.preflight.finding import Finding, look, missing, ok
from llamaduo.serving_fit import Adapter, fits
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


def serving(exp: Experiment, here: Machine) -> Iterator[Finding]:
    """Yield a line for each serving engine: the adapter as it is, or only merged, and why."""
    shape = shape_of(exp.local)
    if shape is None or not isinstance(exp.tuner, Qlora):
        return
    whole = exp.tuner.layers is None or exp.tuner.layers >= shape.layers
    adapter = Adapter(shape.family, exp.tuner.r, PROJECTIONS, every_layer=whole)
    for fit in fits(adapter, here.gpus[0].capability if here.gpus else None):
        said = f"served by {fit.in_words()}"
        yield look(said) if fit.merged_only else ok(said)

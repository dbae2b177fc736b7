"""What a run would ask and pay, stage by stage, before it starts. Nobody is asked.

It walks the loop (`llamaduo.loop`) with stand-ins for what is not there yet: the requests are
those that judge and synth make; of the answers in them only the length is supposed.
"""

from collections.abc import Sequence

from llamaduo.experiment import Experiment
from llamaduo.forecast.figures import Forecast
from llamaduo.forecast.held import held
from llamaduo.forecast.lengths import Lengths, Look
from llamaduo.forecast.priced import said
from llamaduo.forecast.walk import Walk
from llamaduo.records import Placed


def forecast(
    exp: Experiment,
    placed: Sequence[Placed],
    look: Look,
    *,
    spent: float = 0.0,
    unproven: float = 0.0,
    bought: int = 0,
    ended: bool = False,
) -> Forecast:
    """Return what running `exp` would ask and pay, with what it has paid so far beside it.

    Args:
        placed: the coverage rows, shared out.
        look: what was measured of a service and a stage.
        spent: dollars the run has paid.
        unproven: dollars it may have paid beyond, unseen.
        bought: calls it has paid for.
        ended: whether it came to its end once.
    """
    walk = Walk(exp, placed, Lengths(look))
    lines = tuple(walk.lines())
    services = tuple(walk.services.values())
    return Forecast(
        run=exp.fingerprint(),
        lines=lines,
        prices=tuple(said(one) for one in services),
        assumed=tuple(walk.lengths.said),
        spent=spent,
        unproven=unproven,
        bought=bought,
        ended=ended,
        held=tuple(held(exp, lines, services, spent + unproven)),
    )

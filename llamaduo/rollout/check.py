"""What a step's captured calls allow: advance, hold, or go back. Pure."""

from llamaduo.findings import Measure
from llamaduo.metrics import share
from llamaduo.power import prompts_needed
from llamaduo.records import Record
from llamaduo.rollout import LOCAL, Phase
from llamaduo.rollout.back import Back, back, kept
from llamaduo.rollout.month import Month, costing
from llamaduo.rollout.pairs import Judged
from llamaduo.rollout.seen import Seen
from llamaduo.rollout.state import State, Step, Verdict

ARRIVE = 95.0
"""% of mirrored calls whose copy has to leave a line, or the pairs are no fair sample."""
IN_TIME = 95.0
"""% of the local model's answers that have to come within goal.latency_p95_ms."""
SIMULATED = (
    "a simulated service judged, which is no fact about any answer: give a judge that is none "
    "(service@judge.service=), or allow_simulated=true to go on by it"
)
ROUNDS_OFF = 0.05
"""Points that a weight of 1 in 1000 may round a share by."""


class ArmFigures(Record):
    """One deployment's calls."""

    arm: str
    calls: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    usd: float


class Report(Record):
    """What `rollout check` says."""

    name: str
    phase: Phase
    step: int
    version: str
    arms: tuple[ArmFigures, ...]
    other_lines: int
    unreadable: int
    lost: int = 0
    """Calls whose line the gateway could not write."""
    sent: Measure | None = None
    """Share of calls that were mirrored or answered here, in %; the interval of a binomial."""
    expected: float | None = None
    """What the weights make of it, in %."""
    arrived: Measure | None = None
    """Share of mirrored calls whose copy left a line, in %."""
    failed: Measure | None = None
    """Share of the local model's calls that failed, in %."""
    in_time: Measure | None = None
    back: tuple[Back, ...] = ()
    month: str = ""
    """What dollars a month go by."""
    cost: str = ""
    """The command that says what it would save with the calls that stay; "" where none does."""
    judged: Judged | None = None
    reasons: tuple[str, ...]
    verdict: Verdict


class Sayings:
    """Reasons as they come up, and the worst of what they amount to."""

    def __init__(self) -> None:
        """Begin with nothing against it."""
        self.reasons: list[str] = []
        self.verdicts: set[Verdict] = set()

    def say(self, verdict: Verdict, reason: str) -> None:
        """Add a reason."""
        self.verdicts.add(verdict)
        self.reasons.append(f"{verdict}: {reason}")

    @property
    def verdict(self) -> Verdict:
        """Going back on any one reason, advancing only where none is against it."""
        if "go back" in self.verdicts:
            return "go back"
        return "advance" if self.verdicts == {"advance"} else "hold"


def report(
    seen: Seen,
    state: State,
    *,
    judged: Judged | None,
    margin: float,
    latency_p95_ms: float | None,
    month: Month,
    allow_simulated: bool = False,
) -> Report:
    """Say what a step has shown.

    Args:
        judged: its pairs; only shadow has some.
        margin: points of coverage, and % of failed calls, that the local model may be worse by.
        latency_p95_ms: that 95 of 100 of its answers have to come in; None: no matter.
        month: what the workload costs on the service in its first month.
        allow_simulated: whether a simulated judge may open the next phase.
    """
    step, said = state.current, Sayings()
    arms = tuple(_figures(name, seen) for name in sorted(seen.arms))
    if not arms:
        said.say("hold", _nothing(seen, step))
    sent, expected = _sent(seen, step)
    arrived = failed = in_time = None
    if sent is not None and expected is not None and arms:
        _weigh(said, sent, expected)
    if step.phase == "shadow":
        copies = len(seen.pairs)
        arrived = share("arrived %", copies, copies + seen.missing)
        _arrival(said, arrived)
        _pairs(said, judged)
        if judged is not None and judged.simulated and not allow_simulated:
            said.say("hold", SIMULATED)
    elif step.phase in ("canary", "cutover"):
        local = seen.arm(LOCAL)
        failed = share("failed %", len(local.failed), local.calls)
        _failures(said, failed, margin)
    elif arms:
        said.say("hold", f"in {step.phase} the service answers alone: there is nothing to compare")
    if latency_p95_ms is not None and step.version:
        local = seen.arm(LOCAL)
        in_time = share("in time %", local.within(latency_p95_ms), len(local.answered))
        _time(said, in_time, latency_p95_ms)
    return Report(
        name=state.name,
        phase=step.phase,
        step=step.number,
        version=step.version,
        arms=arms,
        other_lines=seen.others,
        unreadable=seen.unreadable,
        lost=seen.lost,
        sent=sent,
        expected=expected,
        arrived=arrived,
        failed=failed,
        in_time=in_time,
        back=back(seen, state, month.usd),
        month=month.said,
        cost=costing(kept(seen, state), month),
        judged=judged,
        reasons=tuple(said.reasons),
        verdict=said.verdict,
    )


def _figures(name: str, seen: Seen) -> ArmFigures:
    arm = seen.arm(name)
    return ArmFigures(
        arm=name,
        calls=arm.calls,
        failed=len(arm.failed),
        p50_ms=arm.quantile_ms(0.5),
        p95_ms=arm.quantile_ms(0.95),
        usd=arm.usd,
    )


def _nothing(seen: Seen, step: Step) -> str:
    if seen.others:
        return (
            f"none of {seen.others} lines is of step {step.number}: the gateway runs with another "
            f"config; start it again with litellm.{step.phase}.yaml"
        )
    return f"no call was captured: is the gateway running with litellm.{step.phase}.yaml?"


def _sent(seen: Seen, step: Step) -> tuple[Measure | None, float | None]:
    """Return the share of calls that went where the weights send a part of them."""
    if step.phase == "shadow":
        ours, theirs = seen.arm("mirrored").calls, seen.arm("service").calls
    elif step.phase == "canary":
        ours, theirs = seen.arm(LOCAL).calls, seen.arm("service").calls
    else:
        return None, None
    return share("sent %", ours, ours + theirs), 100 * step.share


def _weigh(said: Sayings, sent: Measure, expected: float) -> None:
    if sent.low is None or sent.high is None:
        return
    what = f"{_interval(sent)} of calls went to this share's deployment, and {expected:g} % should"
    if sent.low - ROUNDS_OFF <= expected <= sent.high + ROUNDS_OFF:
        said.say("advance", what)
    else:
        said.say(
            "hold", f"{what}: it cooled down, or the gateway has another share than state.json"
        )


def _arrival(said: Sayings, arrived: Measure) -> None:
    if arrived.high is None:
        said.say("hold", "no call was mirrored yet")
    elif arrived.high < ARRIVE:
        said.say(
            "hold",
            f"{_interval(arrived)} of mirrored calls left a line of their copy: those that did are "
            "no fair sample; see the gateway's log",
        )


def _pairs(said: Sayings, judged: Judged | None) -> None:
    if judged is None or judged.difference.value is None:
        said.say("hold", "not enough data: no pair was judged")
        return
    one = judged.difference
    what = (
        f"coverage is {one.value:+.1f} points from the service's on {one.n} pairs, 95 % interval "
        f"{judged.low:+.1f} to {judged.high:+.1f}; at most {judged.margin:g} under it is wanted"
    )
    if judged.verdict == "hold":
        many = f"about {judged.needed} pairs" if judged.needed else "no practical number of pairs"
        what = f"not enough data: {what}; {many} would settle it, if the figure is right"
    said.say(judged.verdict, what)


def _failures(said: Sayings, failed: Measure, margin: float) -> None:
    if failed.value is None or failed.low is None or failed.high is None:
        said.say("hold", "not enough data: the local model had no call yet")
        return
    what = f"{_interval(failed)} of the local model's calls failed; at most {margin:g} % may"
    if failed.high <= margin:
        said.say("advance", what)
    elif failed.low > margin:
        said.say("go back", what)
    else:
        needed = prompts_needed(100 - failed.value, 100 - margin)
        many = f"about {needed} calls" if needed else "no practical number of calls"
        said.say("hold", f"not enough data: {what}; {many} would settle it, if the figure is right")


def _time(said: Sayings, in_time: Measure, limit: float) -> None:
    if in_time.low is None or in_time.high is None:
        said.say("hold", "not enough data: the local model answered nothing yet")
        return
    what = f"{_interval(in_time)} of its answers came in {limit:g} ms; {IN_TIME:g} % have to"
    if in_time.low >= IN_TIME:
        said.say("advance", what)
    elif in_time.high < IN_TIME:
        said.say("go back", what)
    else:
        said.say("hold", f"not enough data: {what}")


def _interval(measure: Measure) -> str:
    return f"{measure.value:.1f} % ({measure.low:.1f} to {measure.high:.1f}, n = {measure.n})"

"""A check's report as text."""

from llamaduo.findings import Measure
from llamaduo.rollout.check import Report
from llamaduo.tables import aligned


def table(report: Report) -> str:
    """Return what is printed; the last line is the verdict."""
    about = f", version {report.version}" if report.version else ""
    lines = [f"{report.name}, step {report.step}: {report.phase}{about}", ""]
    if report.arms:
        head = ["answered by", "n", "failed", "p50 ms", "p95 ms", "dollars"]
        rows = [
            [
                one.arm,
                str(one.calls),
                str(one.failed),
                _ms(one.p50_ms),
                _ms(one.p95_ms),
                f"${one.usd:,.4f}",
            ]
            for one in report.arms
        ]
        lines += [*aligned([head, *rows]), ""]
    if report.other_lines or report.unreadable:
        lines.append(
            f"{report.other_lines} lines are of other steps or models, {report.unreadable} could "
            "not be read; neither counts"
        )
    if report.lost:
        lines.append(f"{report.lost} calls have no line: the gateway could not write it")
    if report.arrived is not None and report.arrived.value is not None:
        lines.append(f"copies that left a line: {_share(report.arrived)}")
    for one in report.back:
        by = ", ".join(f"{name}: {n}" for name, n in one.by.items())
        month = "" if one.usd_per_month is None else f", ${one.usd_per_month:,.2f} a month"
        lines.append(f"{one.kind}: {_share(one.share)} of calls{month} ({by})")
    if report.back:
        lines.append(f"dollars a month: {report.month}")
    if report.cost:
        lines.append(f"what is saved with the calls that stay: {report.cost}")
    lines += _judged(report)
    lines += [f"  {reason}" for reason in report.reasons]
    return "\n".join([*lines, f"verdict: {report.verdict}"])


def _judged(report: Report) -> list[str]:
    judged = report.judged
    if judged is None:
        return []
    out = sum(judged.left_out.values())
    why = ", ".join(f"{reason}: {n}" for reason, n in judged.left_out.items())
    lines = [
        f"{judged.pairs} pairs judged by {judged.judge}: {judged.only_ours} covered by the local "
        f"model alone, {judged.only_theirs} by the service alone ({judged.silent} without an "
        f"answer of ours); {judged.unjudged} without a mark; {out} left out"
        + (f" ({why})" if why else "")
    ]
    if judged.simulated:
        lines.append("A simulated service judged: this is no fact about any answer.")
    return lines


def _share(measure: Measure) -> str:
    if measure.value is None:
        return "unknown"
    return f"{measure.value:.1f} % ({measure.low:.1f} to {measure.high:.1f}, n = {measure.n})"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"

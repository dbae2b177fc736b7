"""The judge's own card: what its audit found, and how many calls it was spared."""

from llamaduo.findings import Finding, Result
from llamaduo.report.words import markdown


def card(result: Result) -> list[str]:
    """Return the audit of the judge."""
    lines = ["## The judge", "", f"Judged by {result.judge}.", ""]
    audit = result.audit
    if audit is None:
        lines += [
            "It was not audited: its bias and its noise are unknown. `judge.audit=30` puts "
            "questions to it.",
            "",
        ]
    else:
        head = ["question", "found", "n", "in words"]
        rows = [[f.name, _found(f), str(f.n), _says(f)] for f in audit.findings]
        lines += [*markdown(head, rows), ""]
        if audit.unjudged:
            causes = ", ".join(f"{n} {why}" for why, n in audit.unjudged.items())
            lines += [f"Calls on the test without marks: {causes}.", ""]
    return [*lines, *_spared(result)]


def _says(finding: Finding) -> str:
    return f"**flagged**: {finding.says}" if finding.flagged else finding.says


def _found(finding: Finding) -> str:
    if finding.value is None:
        return "-"
    unit = f" {finding.unit}" if finding.unit else ""
    if finding.low is None or finding.high is None:
        return f"{finding.value:.2f}{unit}"
    return f"{finding.value:.2f} ({finding.low:.2f} to {finding.high:.2f}){unit}"


def _spared(result: Result) -> list[str]:
    judged = [r.assessment for r in result.rounds]
    judged += [a for a in (result.test, *result.baselines) if a is not None]
    spared, marks = sum(a.spared for a in judged), sum(a.marks for a in judged)
    if not spared:
        return []
    share = 100 * spared / (spared + marks)
    return [
        f"{spared} of {spared + marks} repeats ({share:.0f} %) were not asked for: they could not "
        "have changed the verdict. Mean marks rest on fewer repeats where prompts were clear.",
        "",
    ]

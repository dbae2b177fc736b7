"""What the captured calls of one step show: who answered, who failed and why, what it cost."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from llamaduo.rollout import BEFORE, ESCALATED, FALLBACK, LOCAL
from llamaduo.rollout.payloads import Line, Payload, call_of, number_of, text_of
from llamaduo.rollout.state import State

OF_CALLERS = ("service", "mirrored", LOCAL, ESCALATED)
"""Arms that a caller's call goes to first; in shadow the local one is asked by nobody."""
TAG = "llamaduo-escalated:"


@dataclass
class Arm:
    """The calls that one deployment had."""

    answered: list[Payload] = field(default_factory=list)
    failed: list[Payload] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """Answered or not."""
        return len(self.answered) + len(self.failed)

    @property
    def usd(self) -> float:
        """What litellm counted, at the prices of the config."""
        return sum(number_of(one, "response_cost") for one in self.answered)

    def quantile_ms(self, share: float) -> float | None:
        """Return the milliseconds that so large a share of its answers came in, 0..1."""
        times = sorted(map(took_ms, self.answered))
        return times[math.ceil(share * len(times)) - 1] if times else None

    def within(self, ms: float) -> int:
        """Return how many of its answers came in `ms`."""
        return sum(took_ms(one) <= ms for one in self.answered)


@dataclass(frozen=True)
class Pair:
    """One prompt that the service and the local model were both given."""

    service: Payload
    local: Payload


@dataclass
class Seen:
    """The lines of a step, sorted."""

    arms: dict[str, Arm] = field(default_factory=lambda: defaultdict(Arm))
    others: int = 0
    """Lines of other steps, or of other groups."""
    unreadable: int = 0
    lost: int = 0
    """Calls whose line could not be written, as the lines after them say."""
    pairs: list[Pair] = field(default_factory=list)
    missing: int = 0
    """Mirrored calls whose copy left no line."""

    def arm(self, name: str) -> Arm:
        """Return an arm; one without calls where it had none."""
        return self.arms.get(name, Arm())

    def causes(self, name: str = LOCAL) -> dict[str, int]:
        """Return why calls of an arm failed, the commonest first."""
        return dict(Counter(map(cause_of, self.arm(name).failed)).most_common())

    def fallbacks(self, phase: str) -> tuple[Arm, Arm]:
        """Return the fallback's calls after the local model failed, and after the service did.

        litellm falls back for the whole group that clients ask for, and in canary the service
        stands in it too. A call has one id from its first try on.
        """
        whole = self.arm(FALLBACK)
        if phase != "canary":
            return whole, Arm()
        failed = {call_of(one) for one in self.arm(LOCAL).failed}

        def part(ours: bool) -> Arm:
            return Arm(
                [one for one in whole.answered if (call_of(one) in failed) == ours],
                [one for one in whole.failed if (call_of(one) in failed) == ours],
            )

        return part(True), part(False)

    def rules(self) -> dict[str, int]:
        """Return the calls that each rule sent to the service."""
        found: Counter[str] = Counter()
        arm = self.arm(ESCALATED)
        for payload in (*arm.answered, *arm.failed):
            tags = payload.get("request_tags")
            for tag in tags if isinstance(tags, list) else ():
                if isinstance(tag, str) and tag.startswith(TAG):
                    found[tag.removeprefix(TAG)] += 1
        return dict(found.most_common())


def look(lines: Iterable[Line], state: State) -> Seen:
    """Sort the lines of the current step by who was asked.

    A call that no deployment was picked for (all cool down) has no id in its line: in canary and
    cutover it counts as a failure of the local model, if it came after the step was written.
    """
    step = state.current
    begins = f"{step.number}-{step.phase}-"
    since = datetime.fromisoformat(step.at).timestamp()
    seen, known = Seen(), set()
    for line in lines:
        payload = line.payload
        if payload is None:
            seen.unreadable += 1
            continue
        of = text_of(payload, "model_id")
        arm = of.removeprefix(begins) if of.startswith(begins) else ""
        failed = text_of(payload, "status") == "failure"
        late = number_of(payload, "startTime") >= since
        ours = text_of(payload, "model_group") == state.name and step.phase in BEFORE
        if failed and not of and late and ours:
            arm = LOCAL
        if not arm:
            seen.others += 1
            continue
        key = (call_of(payload), arm, failed)
        if key in known and key[0]:
            continue
        known.add(key)
        seen.lost += int(number_of(payload, "lost_before"))
        (seen.arms[arm].failed if failed else seen.arms[arm].answered).append(payload)
    if step.phase == "shadow":
        _pair(seen)
    return seen


def _pair(seen: Seen) -> None:
    """Set the mirrored calls beside their copies, of equal trace and prompt.

    litellm before 1.109 does not always mark a copy, so the trace is what is gone by.
    """
    copies: dict[str, list[Payload]] = defaultdict(list)
    local = seen.arm(LOCAL)
    for payload in (*local.answered, *local.failed):
        copies[text_of(payload, "trace_id")].append(payload)
    for payload in seen.arm("mirrored").answered:
        there = copies.get(text_of(payload, "trace_id"), [])
        found = _same_prompt(payload, there)
        if found is None:
            seen.missing += 1
        else:
            there.remove(found)
            seen.pairs.append(Pair(payload, found))


def _same_prompt(payload: Payload, there: Sequence[Payload]) -> Payload | None:
    said = json.dumps(payload.get("messages"), sort_keys=True, default=str)
    for one in there:
        if json.dumps(one.get("messages"), sort_keys=True, default=str) == said:
            return one
    return there[0] if len(there) == 1 and there[0].get("messages") is None else None


def took_ms(payload: Payload) -> float:
    """Return the milliseconds from the request to the answer's last token.

    litellm's response_time is, of a stream, the time to its first token
    (litellm 1.106.2, litellm_logging.py, get_response_time): it counts where no end is given.
    """
    start, end = number_of(payload, "startTime"), number_of(payload, "endTime")
    return 1000 * (end - start if 0 < start <= end else number_of(payload, "response_time"))


def cause_of(payload: Payload) -> str:
    """Return why a call failed, in a word or two: its status, or that nobody listened."""
    error = payload.get("error") or payload.get("error_information")
    fields = error if isinstance(error, dict) else {}
    message = str(fields.get("error_message") or payload.get("error_str") or "")
    kind = str(fields.get("error_class") or "an unknown error")
    if "Connection error" in message or kind == "APIConnectionError":
        return "no connection"
    if "No deployments available" in message:
        return "cooling down"
    code = str(fields.get("error_code") or "")
    return f"{code} {kind}".strip()


def service_usd(payloads: Iterable[Payload], usd_per_million: tuple[float, float]) -> float:
    """Return what the tokens of calls cost at the service's prices, whoever answered them."""
    prompt, completion = usd_per_million
    return (
        sum(
            number_of(one, "prompt_tokens") * prompt
            + number_of(one, "completion_tokens") * completion
            for one in payloads
        )
        / 1e6
    )


def callers(seen: Seen, phase: str) -> list[Payload]:
    """Return one line for each call of a caller: the answer, whoever gave it in the end."""
    names = [*OF_CALLERS, FALLBACK]
    if phase == "shadow":
        names.remove(LOCAL)
    return [payload for name in names for payload in seen.arm(name).answered]

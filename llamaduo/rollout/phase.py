"""A phase begun: what stands against it, and the files that the gateway is started with."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.promotion.candidate import in_a_line, now, who
from llamaduo.promotion.held import Held
from llamaduo.promotion.probed import is_served, opens, passed
from llamaduo.rollout import BEFORE, ESCALATED, PHASES, Phase, group
from llamaduo.rollout import settings as settings_of
from llamaduo.rollout import state as state_of
from llamaduo.rollout.gateway import GATEWAY, config, text, variables
from llamaduo.rollout.settings import Settings
from llamaduo.rollout.state import Asked, State, Step, put
from llamaduo.service import Service
from llamaduo.service.chat import ChatService
from llamaduo.serving import Form
from llamaduo.serving.endpoint import Endpoint
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.registry import opened

FORCED = "llamaduo.rollout_forced"
"""Tag of a version: the last step that was forced, by whom and why."""
SHARES: dict[Phase, float] = {"shadow": 0.1, "canary": 0.1}
"""Where none is given."""


@dataclass(frozen=True)
class Local:
    """The promoted model, and where it is served."""

    held: Held
    endpoint: Endpoint
    form: Form
    dtype: str
    """What it is served in; "" where it is not known."""
    tracker: MlflowTracker
    home: Path


@dataclass(frozen=True)
class Begun:
    """What was done."""

    step: Step
    folder: Path
    config: Path
    variables: tuple[str, ...]


def begin(
    phase: Phase,
    name: str,
    folder: Path,
    *,
    service: Asked | None,
    local: Local | None,
    share: float | None,
    force: str | None,
    typed: Sequence[str] = (),
) -> Begun:
    """Write the files of a phase, and take down that it is the current one.

    Args:
        name: what clients ask for.
        folder: where the files go; what other phases left there stays.
        service: None: the one that the phase before had.
        local: None where the service answers alone.
        share: of shadow and canary; None: a tenth.
        force: why it shall be begun in spite of what stands against it.
        typed: key=value and `--into DIR` as they were given, for the commands that come next.

    Raises:
        UsageError: for a share or reason that makes no sense, or no service.
        LlamaDuoError: if something stands against it and it is not forced.
    """
    with state_of.locked(folder):
        return _begin(phase, name, folder, service, local, share, force, typed)


def _begin(
    phase: Phase,
    name: str,
    folder: Path,
    service: Asked | None,
    local: Local | None,
    share: float | None,
    force: str | None,
    typed: Sequence[str],
) -> Begun:
    before = state_of.read(folder)
    if before is not None and before.name != name:
        raise UsageError(f"rollout: {folder} is of {before.name}, not {name}; give another --into")
    asked = service or (before.service if before else None)
    if asked is None:
        raise UsageError(
            f"rollout {phase}: who is the service? A simulated one plays inside this project only; "
            "give service=gpt, or service=openai_compatible with its service.KEY=VALUE"
        )
    state = (before or State(name=name, service=asked)).model_copy(update={"service": asked})
    found = against(state, phase, local, typed)
    if force is not None and not force.strip():
        raise UsageError('rollout: --force needs a reason, in words: --force "why it is right"')
    if found and force is None:
        raise LlamaDuoError(
            "\n  ".join(
                [
                    f"rollout {phase}: this stands against it:",
                    *found,
                    f'`{_command("rollout", phase, name, *typed)} --force "reason"` begins it on '
                    "your word, which is kept",
                ]
            )
        )
    step = Step(
        number=len(state.steps) + 1,
        phase=phase,
        at=now(),
        by=who(),
        version=local.held.version.number if local else "",
        endpoint=local.endpoint if local else None,
        share=_share(phase, share),
        forced=in_a_line(force) if found and force else "",
        against=tuple(found),
    )
    rules = settings_of.read(folder)
    values = config(name, asked, local.endpoint if local else None, rules, step)
    named = variables(values)
    put(folder / "capture.py", (Path(__file__).parent / "capture.py").read_text(encoding="utf-8"))
    put(folder / "capture.json", capture_settings(name, rules))
    put(folder / ".env.example", environment(named))
    put(folder / f"litellm.{phase}.yaml", text(values, step))
    put(folder / "README.md", readme(name, step, named, typed))
    state_of.write(folder, state.model_copy(update={"steps": (*state.steps, step)}))
    if local is not None:
        mark(local, step)
    return Begun(step, folder, folder / f"litellm.{phase}.yaml", tuple(named))


def _share(phase: Phase, given: float | None) -> float:
    if phase not in SHARES:
        if given is not None:
            raise UsageError(f"rollout {phase} takes no --share: only {' and '.join(SHARES)} do")
        return 1.0
    share = SHARES[phase] if given is None else given
    if not 0.001 <= share <= 1:
        raise UsageError(f"rollout: --share is in 0.001 to 1; got {share:g}")
    return share


def _command(verb: str, *words: str) -> str:
    return shlex.join(["llamaduo", verb, *words])


def against(
    state: State, phase: Phase, local: Local | None, typed: Sequence[str] = ()
) -> list[str]:
    """Return what stands against a phase, in words; nothing stands against going back.

    Args:
        typed: as `begin` takes it.
    """
    if local is None or phase not in BEFORE:
        return []
    version = local.held.version
    found = []
    named = [word for word in typed if "=" in word and not word.startswith("--")]
    probe = _command("probe", local.endpoint.url, f"{version.name}/{version.number}", *named)
    if not proved(local):
        found.append(
            f"{version.name} version {version.number} has not been shown to answer as it was "
            f"promoted when {local.endpoint.engine} serves it, {local.form} in "
            f"{local.dtype or 'a type that is not known'}: `{probe}` shows it"
        )
    earlier = BEFORE[phase]
    before = state.last(earlier, version.number)
    if before is not None and before.endpoint is not None:
        then, now_ = _where(before.endpoint), _where(local.endpoint)
        if then != now_:
            found.append(
                f"{earlier} asked {then}, and this would ask {now_}: type the serving= and "
                f"serving.KEY= of then, or begin {earlier} with these"
            )
    if not state.passed(earlier, version.number):
        found.append(
            f"{earlier} of version {version.number} has not been checked with the verdict "
            "`advance` (since the last rollback): "
            f"`{_command('rollout', earlier, version.name, *typed)}`, then "
            f"`{_command('rollout', 'check', version.name, *typed)}`"
        )
    return found


def _where(endpoint: Endpoint) -> str:
    key = f", with {endpoint.key_env}" if endpoint.key_env else ""
    return f"{endpoint.model} at {endpoint.url} ({endpoint.engine}{key})"


def proved(local: Local) -> bool:
    """Whether a copy of the version, served as this one is, passed the latest probe."""
    seen, engine = passed(local.held.version), local.endpoint.engine
    return opens(seen, engine=engine, form=local.form, dtype=local.dtype)


def mark(local: Local, step: Step) -> None:
    """Write on the registered model where it is served, and on the version what was forced."""
    version = local.held.version
    if step.phase not in BEFORE and not step.forced:
        return
    with opened(local.tracker, local.home) as registry:
        if step.phase in BEFORE:
            is_served(registry, version.name, local.endpoint.url)
        if step.forced:
            words = f"{step.at} by {step.by}: {step.phase}: {step.forced}"
            registry.tag(version, {FORCED: words})


def asked_of(service: Service) -> Asked | None:
    """Return how the gateway asks a service; None: it only plays one, inside this project."""
    if service.simulated or not isinstance(service, ChatService):
        return None
    return Asked(
        name=service.name,
        model=service.model,
        api_base=service.api_base,
        api_version=service.api_version,
        key_env=service.key_env,
        usd_per_million=(service.price.input, service.price.output),
        as_of=service.price.as_of,
        source=service.price.source,
        timeout=service.timeout,
    )


def capture_settings(name: str, rules: Settings) -> str:
    """Return what capture.py reads: the rules, and the names they go by."""
    values: dict[str, Any] = {
        "model": name,
        "escalated": group(name, ESCALATED),
        "escalate": [rule.model_dump() for rule in rules.escalate],
    }
    return json.dumps(values, indent=2) + "\n"


def environment(names: list[str]) -> str:
    """Return `.env.example`: every variable the gateway reads, without a value."""
    lines = [
        "# Copy to .env and fill in; .env stays out of git. A master key of 32 random hex digits:",
        "# echo sk-$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n')",
        *(f"{name}=" for name in names),
        "# prices come with the config, so none are fetched",
        "LITELLM_LOCAL_MODEL_COST_MAP=True",
        "# where calls are written; without it, logs/ beside capture.py",
        "#LLAMADUO_CAPTURE_DIR=",
    ]
    return "\n".join(lines) + "\n"


def readme(name: str, step: Step, names: list[str], typed: Sequence[str] = ()) -> str:
    """Return what a user does with the folder."""
    return f"""# {name}: step {step.number}, {step.phase}

{PHASES[step.phase].capitalize()}. Clients ask the gateway for the model `{name}`, in every phase.

    pip install "{GATEWAY}"
    cp .env.example .env        # then fill in {", ".join(names)}
    set -a; . ./.env; set +a
    litellm --config litellm.{step.phase}.yaml --host 127.0.0.1 --port 4000

A new phase takes effect when the gateway is started again with its file. It writes a line for
each call into `logs/`: prompts and answers are in it, so treat the folder as you treat them.

    {_command("rollout", "check", name, *typed)}
    {_command("rollout", "rollback", name, *typed)}

`rollout.yaml` is yours: retries, cooling down, and which calls always go to the service.
"""

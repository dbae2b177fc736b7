"""`.env.example`: every variable of the compose files, with what turning it changes."""

import re
from collections.abc import Iterable
from textwrap import wrap

from llamaduo.deploy.compose import GATEWAY_PORT, GRAFANA_PORT, MASTER_KEY
from llamaduo.deploy.stack import Stack
from llamaduo.records import Record
from llamaduo.serving.capability import ENGINES

FILE = ".env.example"
LITELLM = "ghcr.io/berriai/litellm:v1.106.4"
"""1.104.0 to 1.106.3 may end at the start where litellm's price list cannot be reached
(litellm's release notes of 1.105.5, November 2026)."""
PROMETHEUS = "prom/prometheus:v3.13.2"
"""Of a line with long support, begun in July 2026."""
GRAFANA = "grafana/grafana:13.2.1"
WIDTH = 96
"""Characters of a line, without its mark."""
HEAD = """\
# Copy to .env, which is not to be committed, fill in what is empty, and keep it readable by you
# alone: cp .env.example .env && chmod 600 .env. Compose asks for all of it, whatever is started."""
SECRETS = "Secrets. `openssl rand -hex 24` makes one."


class Variable(Record):
    """One line of .env."""

    name: str
    value: str
    """"" is a secret's."""
    why: str


def used(text: str) -> list[str]:
    """Return the variables that a compose file asks for, each once."""
    return list(dict.fromkeys(re.findall(r"\$\{(\w+)", text)))


def example(stack: Stack, names: Iterable[str], base: str) -> str:
    """Return the file for the variables of that name.

    Args:
        base: hub id of what HF_TOKEN would be for.
    """
    known = {variable.name: variable for variable in _known(stack, base)}
    found = [known[name] for name in dict.fromkeys(names)]
    shown = sorted(
        (one for one in found if one.value), key=lambda one: not one.name.endswith("_IMAGE")
    )
    secret = [one for one in found if not one.value]
    parts = [HEAD, *map(_shown, shown), f"# {SECRETS}", *map(_shown, secret)]
    return "\n\n".join(parts) + "\n"


def _shown(variable: Variable) -> str:
    return f"{_comment(variable.why)}\n{variable.name}={variable.value}"


def _comment(text: str) -> str:
    lines = [line for part in text.split("\n") for line in wrap(part, WIDTH)]
    return "\n".join(f"# {line}" for line in lines)


def _known(stack: Stack, base: str) -> list[Variable]:
    def known(name: str, value: str, *why: str) -> Variable:
        return Variable(name=name, value=value, why=" ".join(why))

    engines = stack.engines
    return [
        *(
            known(
                engine.image,
                engine.container.image,
                f"{ENGINES[engine.endpoint.engine]}, pinned. Another release may answer otherwise:",
                "raise it on purpose, then hold the served copy to its version again",
                "(llamaduo probe).",
            )
            for engine in engines
        ),
        known(
            "LITELLM_IMAGE",
            LITELLM,
            "The gateway, pinned. 1.104.0 to 1.106.3 may end at the start where litellm's price",
            "list cannot be reached.",
        ),
        known(
            "PROMETHEUS_IMAGE",
            PROMETHEUS,
            "Pinned; an older one may not read the figures that a newer one has kept.",
        ),
        known("GRAFANA_IMAGE", GRAFANA, "Pinned; it migrates its database forward only."),
        known(
            "GATEWAY_LISTEN",
            f"127.0.0.1:{GATEWAY_PORT}",
            "Where clients reach the gateway. 127.0.0.1: only from this machine, so put a proxy",
            f"that speaks HTTPS before it; 0.0.0.0:{GATEWAY_PORT} sends prompts and keys over the",
            "network as they are.",
        ),
        known(
            "GRAFANA_LISTEN",
            f"127.0.0.1:{GRAFANA_PORT}",
            "Where Grafana is looked at, with the profile metrics; passwords pass there too.",
        ),
        known(
            "ENGINE_LISTEN",
            engines[0].listen,
            "Where the engine itself is reached, with compose.probe.yaml only. Who reaches it",
            "there passes by the gateway and its key.",
        ),
        known(
            "ENGINE_URL",
            engines[0].inside,
            "Whom the gateway asks: the engine whose profile is started, or nobody answers.",
            *(f"\n{engine.profile}: {engine.inside}" for engine in engines),
        ),
        known(
            MASTER_KEY,
            "",
            "What clients send as their key. It has to begin with sk-. A new one shuts all of them",
            "out until they have it.",
        ),
        known(
            "GRAFANA_ADMIN_PASSWORD",
            "",
            "Of the user admin, taken when Grafana is first started; later it is changed there.",
        ),
        known(
            "HF_TOKEN",
            "",
            f"The hub gives {base} to who has accepted its terms. Without a token of such a user",
            "the engine ends at its first start. One that may only read is enough.",
        ),
        *(
            known(
                engine.endpoint.key_env,
                "",
                "What the engine wants of the gateway, and of who probes it. One value for both;",
                "another one on either side and it refuses every prompt.",
            )
            for engine in engines
            if engine.endpoint.key_env
        ),
    ]

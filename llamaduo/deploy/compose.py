"""The compose file: which containers, on which networks, and what is published."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from llamaduo.deploy.stack import SECRET, Engine, Stack, wanted
from llamaduo.serving.capability import ENGINES

FILE, PROBE = "compose.yaml", "compose.probe.yaml"
MASTER_KEY = "LITELLM_MASTER_KEY"
GATEWAY_PORT, PROMETHEUS_PORT, GRAFANA_PORT = 4000, 9090, 3000
METRICS = "metrics"
"""Profile of what measures."""


class _Dumper(yaml.SafeDumper):
    """Lists of words stand in one line, as people write them; others are indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent what a list holds."""
        super().increase_indent(flow, indentless=False)


def _listed(dumper: yaml.SafeDumper, said: list[Any]) -> yaml.Node:
    words = not any(isinstance(one, dict | list) for one in said)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", said, flow_style=words)


_Dumper.add_representer(list, _listed)


@dataclass(frozen=True)
class Service:
    """A part of the file."""

    name: str
    why: str
    """Comment above it."""
    says: dict[str, Any]


def compose(stack: Stack, head: Iterable[str]) -> str:
    """Return the file.

    Only the gateway and Grafana are published, each where its variable says. Engines and
    Prometheus stand on a network without a way out; an engine that fetches its base has another
    one for that.

    Args:
        head: lines of its first comment.
    """
    services = [
        *(_engine(engine) for engine in stack.engines),
        _gateway(stack),
        _prometheus(stack),
        _grafana(),
    ]
    fetch = any(engine.fetches for engine in stack.engines)
    parts = [
        *(f"# {line}" for line in head),
        f"name: {stack.project}",
        "",
        "services:",
        *("\n".join(_written(service)) + "\n" for service in services),
        "networks:",
        "  # without a way out or in",
        "  inside:",
        "    internal: true",
        *(["  # to the hub, for the base's weights; nothing is published on it", "  hub:"] * fetch),
        "  # of what is published; the gateway reaches a service LLM by it",
        "  outside:",
        "",
        "volumes:",
        *(["  hub:"] * fetch),
        "  prometheus:",
        "  grafana:",
        "",
        "secrets:",
        "  # what Prometheus shows to who gives figures only to who has a key",
        "  gateway_key:",
        f"    environment: {MASTER_KEY}",
        *(
            line
            for engine in stack.engines
            if engine.guarded
            for line in (f"  {engine.secret}:", f"    environment: {engine.endpoint.key_env}")
        ),
    ]
    return "\n".join(parts) + "\n"


def probe(stack: Stack) -> str:
    """Return what is laid over the file while somebody asks an engine itself."""
    head = [
        "# Laid over compose.yaml while the engine itself is asked, by llamaduo probe and load:",
        f"#     docker compose -f {FILE} -f {PROBE} up -d --wait",
        "# Without it nothing outside reaches the engine; the first file alone takes it back.",
        "services:",
    ]
    said = [
        line
        for engine in stack.engines
        for line in _lines(
            engine.service,
            {
                "ports": [f"{wanted('ENGINE_LISTEN')}:{engine.container.port}"],
                "networks": ["outside"],
            },
        )
    ]
    return "\n".join([*head, *said]) + "\n"


def _engine(engine: Engine) -> Service:
    told = engine.container
    says: dict[str, Any] = {"image": wanted(engine.image)}
    if told.command:
        says["command"] = list(told.command)
    if told.environment:
        says["environment"] = dict(told.environment)
    says["volumes"] = ["./models:/models:ro", *([f"hub:{told.cache}"] if engine.fetches else [])]
    says["networks"] = ["inside", *(["hub"] if engine.fetches else [])]
    if told.shm:
        says["shm_size"] = told.shm
    if told.gpus:
        gpu = {"driver": "nvidia", "count": told.gpus, "capabilities": ["gpu"]}
        says["deploy"] = {"resources": {"reservations": {"devices": [gpu]}}}
    says["healthcheck"] = _checked(told.health, start_period=told.start_period)
    return Service(
        engine.service,
        f"{ENGINES[engine.endpoint.engine]} answers; it reads its files at the start and not again",
        _kept(says, engine.profile),
    )


def _gateway(stack: Stack) -> Service:
    keys = sorted({one.endpoint.key_env for one in stack.engines if one.endpoint.key_env})
    environment = {
        MASTER_KEY: wanted(MASTER_KEY, SECRET),
        **{key: wanted(key, SECRET) for key in keys},
    }
    if len(stack.engines) > 1:
        environment["ENGINE_URL"] = wanted("ENGINE_URL")
    alive = f"http://127.0.0.1:{GATEWAY_PORT}/health/liveliness"
    asks = f"import urllib.request as u; u.urlopen('{alive}', timeout=5)"
    says = {
        "image": wanted("LITELLM_IMAGE"),
        "command": ["--config", "/etc/litellm.yaml", "--port", str(GATEWAY_PORT)],
        "environment": {
            **environment,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "DISABLE_ADMIN_UI": "True",
            "NO_DOCS": "True",
            "NO_REDOC": "True",
        },
        "volumes": ["./litellm.yaml:/etc/litellm.yaml:ro"],
        "networks": ["inside", "outside"],
        "ports": [f"{wanted('GATEWAY_LISTEN')}:{GATEWAY_PORT}"],
        "healthcheck": _checked(("CMD", "python3", "-c", asks), start_period="60s"),
    }
    why = "what clients ask, by the task's name; who answers is said in litellm.yaml"
    return Service("gateway", why, _kept(says, stack.gateway_profile))


def _prometheus(stack: Stack) -> Service:
    says = {
        "image": wanted("PROMETHEUS_IMAGE"),
        "command": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            "--storage.tsdb.retention.time=30d",
        ],
        "volumes": [
            "./prometheus.yml:/etc/prometheus/prometheus.yml:ro",
            "prometheus:/prometheus",
        ],
        "networks": ["inside"],
        "secrets": [
            "gateway_key",
            *(engine.secret for engine in stack.engines if engine.guarded),
        ],
        "healthcheck": _checked(
            (
                *("CMD", "promtool", "check", "healthy"),
                f"--url=http://127.0.0.1:{PROMETHEUS_PORT}",
            ),
            start_period="30s",
        ),
    }
    return Service("prometheus", "keeps 30 days of figures", _kept(says, METRICS))


def _grafana() -> Service:
    alive = f"http://127.0.0.1:{GRAFANA_PORT}/api/health"
    says = {
        "image": wanted("GRAFANA_IMAGE"),
        "environment": {
            "GF_SECURITY_ADMIN_PASSWORD": wanted("GRAFANA_ADMIN_PASSWORD", SECRET),
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        },
        "volumes": [
            "./grafana/provisioning:/etc/grafana/provisioning:ro",
            "./grafana/dashboards:/etc/grafana/dashboards:ro",
            "grafana:/var/lib/grafana",
        ],
        "networks": ["inside", "outside"],
        "ports": [f"{wanted('GRAFANA_LISTEN')}:{GRAFANA_PORT}"],
        "healthcheck": _checked(("CMD", "wget", "-q", "-O", "/dev/null", alive), "30s"),
    }
    return Service("grafana", "shows them, to who signs in", _kept(says, METRICS))


def _checked(test: tuple[str, ...], start_period: str) -> dict[str, Any]:
    return {
        "test": list(test),
        "interval": "15s",
        "timeout": "10s",
        "retries": 4,
        "start_period": start_period,
    }


def _kept(says: dict[str, Any], profile: str) -> dict[str, Any]:
    """Add what all services have: up again after a fall, no new rights, logs that end."""
    return {
        **({"profiles": [profile]} if profile else {}),
        **says,
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        "restart": "unless-stopped",
    }


def _written(service: Service) -> list[str]:
    return [f"  # {service.why}", *_lines(service.name, service.says)]


def _lines(name: str, says: dict[str, Any]) -> list[str]:
    text = yaml.dump({name: says}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return [f"  {line}" for line in text.splitlines()]

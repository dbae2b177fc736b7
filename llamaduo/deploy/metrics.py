"""Prometheus's file, and what Grafana finds at its start: the source and the dashboard."""

import json
from typing import Any

import yaml

from llamaduo.deploy.compose import GATEWAY_PORT, PROMETHEUS_PORT
from llamaduo.deploy.panels import panels
from llamaduo.deploy.stack import Stack

FILE = "prometheus.yml"
SOURCE = "prometheus"
"""Grafana's id of the source that the panels ask."""
HEAD = "# What Prometheus asks, every 15 seconds: the engine and the gateway, inside.\n"


def prometheus(stack: Stack) -> str:
    """Return Prometheus's file.

    litellm and llama.cpp's server give their figures only to who has a key; it is handed over as
    a secret of compose.
    """
    engines = [
        {
            "job_name": engine.service,
            "metrics_path": engine.container.metrics,
            **(_shown(engine.secret) if engine.guarded else {}),
            "static_configs": [{"targets": [f"{engine.service}:{engine.container.port}"]}],
        }
        for engine in stack.engines
        if engine.container.metrics
    ]
    gateway = {
        "job_name": "gateway",
        "metrics_path": "/metrics/",
        **_shown("gateway_key"),
        "static_configs": [{"targets": [f"gateway:{GATEWAY_PORT}"]}],
    }
    said = {"global": {"scrape_interval": "15s"}, "scrape_configs": [*engines, gateway]}
    return HEAD + yaml.safe_dump(said, sort_keys=False)


def _shown(secret: str) -> dict[str, Any]:
    return {"authorization": {"type": "Bearer", "credentials_file": f"/run/secrets/{secret}"}}


def grafana(stack: Stack) -> dict[str, str]:
    """Return Grafana's files by path."""
    source = {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "Prometheus",
                "uid": SOURCE,
                "type": "prometheus",
                "access": "proxy",
                "url": f"http://prometheus:{PROMETHEUS_PORT}",
                "isDefault": True,
                "editable": False,
            }
        ],
    }
    provider = {
        "apiVersion": 1,
        "providers": [
            {
                "name": "llamaduo",
                "type": "file",
                "allowUiUpdates": False,
                "options": {"path": "/etc/grafana/dashboards"},
            }
        ],
    }
    return {
        "grafana/provisioning/datasources/prometheus.yaml": yaml.safe_dump(source, sort_keys=False),
        "grafana/provisioning/dashboards/llamaduo.yaml": yaml.safe_dump(provider, sort_keys=False),
        "grafana/dashboards/serving.json": dashboard(stack),
    }


def dashboard(stack: Stack) -> str:
    """Return the dashboard, as Grafana's JSON."""
    engines = [one.endpoint.engine for one in stack.engines if one.container.metrics]
    said = {
        "uid": "llamaduo-serving",
        "title": f"{stack.task}: serving",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "tags": ["llamaduo"],
        "panels": panels(engines, {"type": "prometheus", "uid": SOURCE}),
    }
    return json.dumps(said, indent=1) + "\n"

"""Photograph what people look at: MLflow's pages on a sweep and its promoted model, the dossier.

    pip install -e ".[pictures]"
    python benchmarks/screenshots.py --home DIR --into docs

Under `--home` it runs the demo (minutes), sweeps its judge, promotes the demo's model, registers
the strict judge's run as challenger, and writes the dossier; what is there already costs
nothing. Then it opens `llamaduo ui` and the dossier in a real headless Chromium that stands on
the machine (`chromium`, `chromium-browser` or `google-chrome` on PATH), at 1600 x 900.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COLUMNS = [
    "tags.`llamaduo.kind`",
    "tags.`llamaduo.verdict`",
    "tags.`llamaduo.judge`",
    "metrics.`test/coverage`",
    "metrics.`test/coverage_low`",
    "metrics.`judge/coverage`",
    "metrics.`cost/api_usd`",
]
"""Of the runs table."""
JUDGES = "simulated,simulated_strict,simulated_lenient"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = {
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.panelOpen_v1": "false",
    "_mlflow_dark_mode_toggle_enabled": "false",
    "databricks-dark-mode-pref": "light",
}
"""What MLflow's page keeps in the browser: its chat panel closed, light colours."""


def llamaduo(home: Path, *words: str, fails: bool = False) -> str:
    """Run a command on `home`; returns what it said."""
    command = [sys.executable, "-m", "llamaduo", *words, f"home={home}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home)
    if done.returncode and not fails:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


@contextmanager
def pages(home: Path) -> Iterator[str]:
    """Open MLflow's pages on `home`; yields their address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llamaduo", "ui", "--port", str(port), f"home={home}"]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL) as server:
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=1).read()
                    break
                except OSError:
                    time.sleep(0.5)
            yield address
        finally:
            server.send_signal(signal.SIGINT)


def known(home: Path, kind: str) -> list[Any]:
    """Return the runs of a kind in MLflow, newest first."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{home}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("llamaduo/ticket_triage")
    where = f"tags.`llamaduo.kind` = '{kind}'"
    return list(client.search_runs([experiment.experiment_id], filter_string=where))


def main() -> None:
    said = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    said.add_argument("--home", type=Path, required=True)
    said.add_argument("--into", type=Path, required=True)
    given = said.parse_args()
    home, into = given.home.absolute(), given.into.absolute()
    home.mkdir(parents=True, exist_ok=True)
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"there is no {' or '.join(BROWSERS)} on PATH")
    llamaduo(home, "experiments=demo")
    llamaduo(home, "-m", "experiments=demo", "rounds=2", f"service@judge.service={JUDGES}")
    llamaduo(home, "promote", "experiments=demo")
    strict = "service@judge.service=simulated_strict"
    llamaduo(home, "promote", "experiments=demo", "rounds=2", strict, "--challenger")
    dossier = home / "dossier.html"
    llamaduo(home, "report", "experiments=demo", "--out", str(dossier))
    with pages(home) as address:
        photograph(home, address, browser, dossier, into)


def photograph(home: Path, address: str, browser: str, dossier: Path, into: Path) -> None:
    from playwright.sync_api import sync_playwright

    runs = known(home, "loop")
    experiment = runs[0].info.experiment_id
    parents = [run.info.run_id for run in [*runs, *known(home, "sweep")]]
    state = {"selectedColumns": COLUMNS, "runsExpanded": dict.fromkeys(parents, True)}
    store = QUIET | {
        f'MLflowLocalStorage-1.1-ExperimentPage-["{experiment}"]-ReactComponentState': json.dumps(
            state
        ),
        f"MLflowLocalStorage-1.1-ExperimentView-{experiment}-expandRows": "false",
    }
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=root)
        page = chromium.new_page(viewport={"width": 1600, "height": 900})
        page.add_init_script(
            f"try {{ Object.entries({json.dumps(store)}).forEach(([k, v]) => "
            "localStorage.setItem(k, v)) } catch (e) {}"  # a file:// page has no storage
        )
        page.goto(f"{address}/#/experiments/{experiment}/runs")
        page.get_by_text(re.compile("smollm2-135m")).first.wait_for(timeout=60_000)
        shoot(page, into / "mlflow-runs.png")
        names = json.dumps([run.info.run_id for run in runs])
        page.goto(f"{address}/#/compare-runs?runs={names}&experiments={json.dumps([experiment])}")
        page.get_by_text("Parameters").first.wait_for(timeout=60_000)
        shoot(page, into / "mlflow-compare.png")
        page.set_viewport_size({"width": 1600, "height": 1500})
        page.goto(f"{address}/#/models/ticket_triage")
        page.get_by_text("champion").first.wait_for(timeout=60_000)
        shoot(page, into / "mlflow-registry.png")
        page.set_viewport_size({"width": 1100, "height": 1400})
        page.goto(dossier.as_uri())
        shoot(page, into / "dossier.png")
        chromium.close()


def shoot(page: Any, path: Path) -> None:
    page.wait_for_timeout(2500)  # tables and figures are drawn after their words
    page.screenshot(path=path)
    print(path)


if __name__ == "__main__":
    main()

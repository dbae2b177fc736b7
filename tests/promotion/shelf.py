"""Finished runs to promote: each judges a loud adapter, or one that was tuned."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

from llamaduo import session
from llamaduo.config import from_overrides
from llamaduo.experiment import Experiment
from llamaduo.local import load
from llamaduo.progress import Progress
from llamaduo.started import Started

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

    @property
    def name(self) -> str:
        return self.exp.fingerprint()

    @property
    def place(self) -> Path:
        return Path(self.exp.home) / ".llamaduo" / "runs" / self.name


def run(*words: str) -> Run:
    """Run to the end in the working folder, as a command would."""
    exp = from_overrides(list(words))
    session.run(exp, Progress(io.StringIO()), started=Started(overrides=words))
    return Run(exp)


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

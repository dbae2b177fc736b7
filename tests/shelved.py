"""A version with its files, as the registry would hand it out, without one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shelf import FEW, LAYERS, loud

from llamaduo.config import from_overrides
from llamaduo.local import load
from llamaduo.promotion.held import Held
from llamaduo.promotion.references import Reference
from llamaduo.promotion.served import Served, fields_of
from llamaduo.records import Message
from llamaduo.tracker.registry import ADAPTER, Version

MODEL = "ticket_triage"


def held(folder: Path, *, max_new_tokens: int = 16) -> Held:
    """Write an adapter of the tiny model into `folder`, and return its version."""
    local = from_overrides(list(FEW)).local
    if not (folder / "artifacts").is_dir():
        loud(folder / "artifacts" / "weights", 1)
    served = Served(
        form="adapter",
        base=type(local).__name__,
        local=fields_of(local),
        engine={
            "temperature": 0.2,
            "batch_size": 4,
            "weights": "merged",
            "dtype": "float32",
        },
        max_new_tokens=max_new_tokens,
    )
    said = Reference(id="r", messages=_turn("Hi"), text="", finish="stop")
    version = Version(
        name=MODEL, number="3", run="0" * 32, tags={ADAPTER: "0123456789abcdef"}, aliases=()
    )
    return Held(version, folder, served, (said,))


def taught(folder: Path, says: Mapping[str, str], *, steps: int = 80) -> Held:
    """Tune an adapter of the tiny model until it answers as `says` has it, and return its version.

    A server that leaves it out, ends elsewhere or lays a chat out otherwise says something else.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    found = held(folder, max_new_tokens=60)
    local = found.served.model(folder)
    template = load.template(local)
    rows = []
    for asked, said in says.items():
        prompt = template.prompt(_turn(asked))
        answer = template.answer(said)
        rows.append((prompt + answer, [-100] * len(prompt) + answer))
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([one + [0] * (width - len(one)) for one, _ in rows])
    labels = torch.tensor([one + [-100] * (width - len(one)) for _, one in rows])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = LoraConfig(r=32, lora_alpha=64, target_modules=list(LAYERS))
        model = get_peft_model(load.dense(local, "float32"), layers).train()
        adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
        for _ in range(steps):
            out = model(input_ids=ids, labels=labels)
            out.loss.backward()
            adam.step()
            adam.zero_grad()
    likeliest, wanted = out.logits[:, :-1].argmax(-1), labels[:, 1:]
    assert ((likeliest == wanted) | (wanted == -100)).all(), float(out.loss)
    model.save_pretrained(found.weights)
    return replace(
        found,
        references=tuple(
            Reference(id=asked, messages=_turn(asked), text=said, finish="stop")
            for asked, said in says.items()
        ),
    )


def _turn(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)

"""Batch inference in this process, with transformers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from llamaduo.component import Component, seed_of
from llamaduo.local import LocalModel, load
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Loaded:
    """A model in memory, with the template that its prompts are laid out by."""

    template: load.Template
    model: Any


class TransformersEngine(Component):
    """Answers in wide batches sorted by length; K samples of a prompt share its prefill."""

    temperature: float = Field(ge=0)
    """0 always takes the likeliest token (and K answers are then one); more is more varied."""
    batch_size: int = Field(ge=1)
    """Answers at once: wider is faster until memory ends. Part of the key, since rounding
    in a batch of another width can turn a near tie."""
    weights: Literal["merged", "adapter", "nf4"] = "merged"
    """What answers: the adapter merged into the dense base, or on top of it (both can be
    served), or on the 4-bit copy it was tuned on (smaller; another model's scores)."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """What is computed with. `auto`: bf16 where the machine has instructions for it, as servers
    do, else fp32. In bf16 the company in a batch turns near ties; in fp32 hardly ever."""

    @property
    def asked(self) -> None:
        """No one: it answers itself."""
        return None

    def answer(
        self,
        local: LocalModel,
        adapter: Path,
        prompts: Sequence[Example],
        *,
        samples: int,
        max_new_tokens: int,
        seed: int,
        done: Sequence[Answer],
        progress: Progress,
    ) -> Iterator[Answer]:
        """Answer every prompt `samples` times."""
        loaded = self.loaded(local, adapter)
        yield from self.answers(
            loaded,
            prompts,
            samples=samples,
            max_new_tokens=max_new_tokens,
            seed=seed,
            done=done,
            progress=progress,
        )
        del loaded
        load.free()

    def loaded(self, local: LocalModel, adapter: Path) -> Loaded:
        """Load what answers: the base, with the adapter if the folder holds one."""
        return Loaded(load.template(local), self._model(local, adapter))

    def answers(
        self,
        loaded: Loaded,
        prompts: Sequence[Example],
        *,
        samples: int,
        max_new_tokens: int,
        seed: int,
        done: Sequence[Answer],
        progress: Progress,
    ) -> Iterator[Answer]:
        """Answer every prompt `samples` times, with a model that is loaded already."""
        template, model = loaded.template, loaded.model
        asked = sorted(
            ((template.prompt(row.messages), row) for row in prompts),
            key=lambda pair: (len(pair[0]), pair[1].id),
        )
        there = {(answer.example.id, answer.sample) for answer in done}
        drawn = samples if self.temperature else 1  # the likeliest answer is always the same
        wide = max(self.batch_size // drawn, 1)
        total = len(prompts) * samples
        with progress.stage("answer", total, "answers", done=len(there)) as meter:
            for start in range(0, len(asked), wide):
                batch = asked[start : start + wide]
                names = [(row.id, k) for _, row in batch for k in range(samples)]
                if there.issuperset(names):
                    continue
                seeds = [seed_of(seed, row.id, k) for _, row in batch for k in range(drawn)]
                said = generate(
                    model,
                    [prompt for prompt, _ in batch],
                    seeds,
                    temperature=self.temperature,
                    max_new_tokens=max_new_tokens,
                    end=template.end,
                    pad=template.tokenizer.pad_token_id,
                )
                for at, (name, k) in enumerate(names):
                    if (name, k) in there:
                        continue
                    tokens = said[at * drawn // samples]
                    ended = bool(tokens) and tokens[-1] == template.end
                    yield Answer(
                        example=next(row for _, row in batch if row.id == name),
                        text=template.text(tokens),
                        sample=k,
                        finish="stop" if ended else "length",
                    )
                meter.step(len(set(names) - there))

    def _model(self, local: LocalModel, adapter: Path) -> Any:
        exact = None if self.dtype == "auto" else self.dtype
        base = load.nf4(local, exact) if self.weights == "nf4" else load.dense(local, exact)
        if not (adapter / "adapter_config.json").exists():
            return base.eval()
        return load.with_adapter(base, adapter, merge=self.weights == "merged")


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    *,
    temperature: float,
    max_new_tokens: int,
    end: int,
    pad: int,
) -> list[list[int]]:
    """Sample continuations of `prompts`, `len(seeds) / len(prompts)` of each from one prefill.

    A token is drawn as argmax(logits / temperature + Gumbel noise), which is a sample of
    the softmax (Gumbel 1954). The noise of a sequence comes from its own seed, so its
    company in the batch does not change it. A sequence that ended leaves the batch.

    Args:
        prompts: n token lists, none empty.
        seeds: n x K seeds, those of one prompt side by side.
        temperature: 0 takes the likeliest token.

    Returns:
        n x K token lists of 1..max_new_tokens; the last is `end` unless it was cut.
    """
    import torch

    said: list[list[int]] = [[] for _ in seeds]
    noise = [torch.Generator().manual_seed(seed) for seed in seeds]
    live = list(range(len(seeds)))
    with torch.inference_mode():
        state = _prefill(model, prompts, len(seeds) // len(prompts), pad)
        for step in range(max_new_tokens):
            drawn = _draw(state.logits, [noise[i] for i in live], temperature)
            for i, token in zip(live, drawn, strict=True):
                said[i].append(token)
            keep = [at for at, token in enumerate(drawn) if token != end]
            if not keep or step + 1 == max_new_tokens:
                break
            live = [live[at] for at in keep]
            state.advance(model, keep, [drawn[at] for at in keep])
    return said


class _State:
    """A batch between two tokens: key-value cache, mask, and the logits of the next token."""

    def __init__(self, cache: Any, mask: "torch.Tensor", logits: "torch.Tensor") -> None:
        self.cache, self.mask, self.logits = cache, mask, logits

    def advance(self, model: Any, keep: list[int], tokens: list[int]) -> None:
        """Drop all rows but `keep`, and feed each of these its token."""
        import torch

        if len(keep) < len(self.mask):
            rows = torch.tensor(keep, device=self.mask.device)
            self.cache.batch_select_indices(rows)
            self.mask = self.mask[rows]
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(keep), 1)], dim=1)
        out = model(
            input_ids=torch.tensor(tokens, device=self.mask.device).unsqueeze(1),
            attention_mask=self.mask,
            position_ids=self.mask.sum(1, keepdim=True) - 1,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.logits = out.logits[:, -1].float()


def _prefill(model: Any, prompts: Sequence[Sequence[int]], samples: int, pad: int) -> _State:
    import torch

    width = max(map(len, prompts))
    where = model.device
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=where)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=where)
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        use_cache=True,
        # An index and not the number 1: a slice is not contiguous, and torch would then multiply
        # by a copy of the head for every prompt, gigabytes of it.
        logits_to_keep=torch.tensor([width - 1], device=where),
    )
    out.past_key_values.batch_repeat_interleave(samples)
    return _State(
        out.past_key_values,
        mask.repeat_interleave(samples, dim=0),
        out.logits[:, -1].float().repeat_interleave(samples, dim=0),
    )


def _draw(logits: "torch.Tensor", noise: list["torch.Generator"], temperature: float) -> list[int]:
    import torch

    if temperature == 0:
        return [int(token) for token in logits.argmax(dim=-1)]
    uniform = torch.stack([torch.rand(logits.shape[-1], generator=one) for one in noise])
    gumbel = -torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))
    drawn = logits / temperature + gumbel.to(logits.device)
    return [int(token) for token in drawn.argmax(dim=-1)]

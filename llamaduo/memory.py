"""How much memory tuning and answering take, by arithmetic. Pure; all sizes in bytes.

Estimates, made to be a little high: batches of rows that are all as long as they may be.
Weights in 4 bit: QLoRA (Dettmers et al. 2023, arXiv 2305.14314), section 3. Activations:
the count of Korthikanti et al. (2022, arXiv 2205.05198), section 4, made anew for gated
feed-forward layers, attention that keeps no score matrix, and LoRA on a frozen base.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from llamaduo.local.shape import Shape

NF4 = 0.5 + (8 / 64 + 32 / (64 * 256)) / 8
"""Bytes a weight takes in NF4: 4 bits, and 0.127 bits of constants in double quantisation
(an 8-bit constant for 64 weights, and one of 32 bits for 256 of those; QLoRA, section 3)."""

RUNTIME = 0.75 * 2**30
"""What Python and its libraries take beside the model: 0.5 GiB when they are loaded, and
what they reserve as they work; a CUDA context is about as large."""

CPU_HEAP = 0.4
"""What the C heap takes and does not give back, as a share of what all blocks would keep of a
batch without checkpointing. Measured on SmolLM2-135M (docs/before-you-start.md); with every
allocation mapped by itself it was 0, and the other figures held. A GPU has none."""


@dataclass(frozen=True)
class Need:
    """What something takes, by what takes it."""

    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.parts.values())

    @property
    def weights(self) -> float:
        """The base model alone: less than this cannot do at all."""
        return self.parts["weights"]

    def in_words(self) -> str:
        """Name what takes a tenth or more, the largest first."""
        large = sorted(self.parts.items(), key=lambda part: -part[1])
        said = [f"{name} {gib(size)}" for name, size in large if size >= self.total / 10]
        return ", ".join(said)


def gib(size: float) -> str:
    """Return bytes as GiB for people, short ones as MiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.0f} MiB"


def dense_weights(shape: Shape, width: int) -> float:
    """Return the base's weights with `width` bytes each."""
    return float(shape.parameters * width)


def four_bit_weights(shape: Shape, width: int) -> float:
    """Return the base's weights in NF4; embeddings, head and norms keep `width` bytes each."""
    return shape.linear * NF4 + shape.other * width


def tuning(
    shape: Shape,
    *,
    r: int,
    layers: int | None,
    batch: int,
    length: int,
    labelled: int,
    checkpointing: bool,
    dropout: bool,
    width: int,
    cpu: bool,
) -> Need:
    """Return what QLoRA takes at its peak.

    Args:
        r: rank of the adapter.
        layers: how many of the last blocks have one; None: all.
        batch: rows at once.
        length: tokens of each.
        labelled: tokens of each that are answer; only these have logits.
        checkpointing: whether a block's activations are computed again rather than kept.
        dropout: whether the adapter's inputs have one.
        width: bytes of a number of the base and of its activations: 2 (bf16) or 4 (fp32).
        cpu: there adapters are fp32 (bf16 on a GPU), and so are the masks of their dropout.
    """
    rows = batch * length
    adapter = 4 if cpu else 2
    mask = (adapter if cpu else 1) if dropout else 0
    block = rows * _kept_of_a_token(shape, width, adapter + mask)
    tuned = shape.layers if layers is None else min(layers, shape.layers)
    if checkpointing:  # the input of every block, and one block in full with its gradients
        activations = rows * shape.hidden * width * shape.layers + 2 * block
    else:
        activations = tuned * block
    # Of a logit: itself, in fp32, its log-softmax, and the gradients of the last two.
    logits = batch * min(labelled, length) * shape.vocabulary * (width + 12)
    parts = {
        "weights": four_bit_weights(shape, width),
        # The adapter, its gradient, and the two moments of Adam.
        "adapter": shape.lora(r, layers) * adapter * 4,
        "activations": activations,
        "logits": logits,
        "lost by the heap": CPU_HEAP * tuned * block if cpu else 0,
        "one layer unpacked": max(a * b for a, b in shape.projections.values()) * width,
        "libraries": RUNTIME,
    }
    return Need(parts)


def _kept_of_a_token(shape: Shape, width: int, adapter_input: int) -> int:
    """Return what one block keeps of a token for its backward pass.

    The base is frozen, so a linear layer of it keeps no input; each LoRA layer keeps its own
    copy and the mask of its dropout, `adapter_input` bytes in all.
    """
    norms = 2 * shape.hidden * 4  # computed in fp32
    queries = shape.heads * shape.head_dim
    attention = 4 * queries * width  # queries, keys and values repeated to all heads, the output
    gated = 3 * shape.intermediate * width  # gate, its SiLU, and what it is multiplied by
    inputs = sum(into for into, _ in shape.projections.values()) * adapter_input
    return norms + attention + gated + inputs


def answering(
    shape: Shape, *, batch: int, prompts: int, length: int, width: int, four_bit: bool = False
) -> Need:
    """Return what batch inference takes at its peak.

    Args:
        batch: answers at once.
        prompts: prompts of a batch, read once however many answers each has.
        length: tokens of a prompt and its answer together.
        width: bytes of a number: 2 (bf16) or 4 (fp32).
        four_bit: whether the base stays in NF4.
    """
    weights = four_bit_weights(shape, width) if four_bit else dense_weights(shape, width)
    return Need(
        {
            "weights": weights,
            "key-value cache": batch * length * cache_of_a_token(shape, width),
            # Gate, up and their product in one block, while prompts are read.
            "activations": prompts * length * (4 * shape.hidden + 3 * shape.intermediate) * width,
            # The last token's, in fp32, with the noise that draws from them.
            "logits": batch * shape.vocabulary * 4 * 4,
            "libraries": RUNTIME,
        }
    )


def cache_of_a_token(shape: Shape, width: int) -> int:
    """Return the keys and values that all blocks keep of a token."""
    return 2 * shape.layers * shape.kv_heads * shape.head_dim * width

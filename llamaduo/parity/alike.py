"""Whether a served copy computes with the weights and numbers that were judged."""

from llamaduo.deploy.given import given
from llamaduo.parity.rule import Numbers
from llamaduo.promotion.held import Held
from llamaduo.records import Record
from llamaduo.serving import Form, Serving


class Alike(Record):
    """What is served, beside what was judged."""

    form: Form
    dtype: str
    """What the server computes with; "" where it is not known."""
    numbers: Numbers
    words: str


def alike(held: Held, serving: Serving) -> Alike:
    """Set what the preset serves beside what was judged; what is not known counts as other.

    In bf16 other kernels and other company in a batch turn near ties, which in float32 they do
    hardly ever.
    """
    form, _ = serving.delivered(given(held))
    weights, dtype = str(held.served.engine["weights"]), str(held.served.engine["dtype"])
    theirs = _dtype(serving, form, dtype)
    judged = "merged" if held.served.form == "merged" else weights
    same = form == judged and dtype == theirs
    numbers: Numbers = "other" if not same else "exact" if dtype == "float32" else "same"
    return Alike(
        form=form,
        dtype=theirs,
        numbers=numbers,
        words=f"{form} in {theirs or 'a type that is not known'}; judged {judged} in {dtype}",
    )


def _dtype(serving: Serving, form: Form, own: str) -> str:
    """Return what a server computes with: what the preset says, or what merged weights are in."""
    if serving.engine == "transformers" and form == "merged":
        return own  # it takes them as they are stored
    if quantize := getattr(serving, "quantize", None):
        return str(quantize)
    said = getattr(serving, "dtype", "")
    return own if said is None else str(said)  # None: what it was promoted with

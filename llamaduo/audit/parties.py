"""Who judges, who teaches and who answers, and whether they are of one house. Pure."""

import re
from dataclasses import dataclass

from llamaduo.findings import Finding

MAKERS = {
    "Anthropic": ("claude", "anthropic"),
    "OpenAI": ("gpt", "chatgpt", "openai"),
    "Google": ("gemini", "gemma", "codegemma", "google"),
    "Meta": ("llama", "codellama", "meta"),
    "Mistral AI": ("mistral", "mixtral", "ministral", "codestral"),
    "Alibaba": ("qwen", "qwq"),
    "DeepSeek": ("deepseek",),
    "Microsoft": ("phi", "microsoft"),
    "Hugging Face": ("smollm", "huggingfacetb"),
    "Cohere": ("command", "cohere"),
    "xAI": ("grok", "xai"),
}
"""Who makes a model, by a word in its name."""


@dataclass(frozen=True)
class Parties:
    """The names of all who have a part in a judgement, as reports call them."""

    judges: tuple[str, ...]
    """One, or the members of a panel."""
    teacher: str
    """The service whose tasks and rows the local model is tuned on."""
    local: str


def maker(name: str) -> str:
    """Return who makes the model called `name`, by the first word that says so; "" if none."""
    for word in re.findall("[a-z]+", name.lower()):
        for made_by, known in MAKERS.items():
            if word in known:
                return made_by
    return ""


def family(parties: Parties) -> Finding:
    """Say whether a judge is the teacher, or of the same maker as teacher or local model.

    It is a fact and no fault: whether the judge likes its own is measured by the swaps.
    """
    said = []
    for judge in parties.judges:
        of = maker(judge)
        if judge == parties.teacher:
            said.append(f"{judge} judges what it has taught itself")
        elif of and of == maker(parties.teacher):
            said.append(f"the judge {judge} and the teacher {parties.teacher} are both by {of}")
        if of and of == maker(parties.local):
            said.append(f"the judge {judge} and the local model {parties.local} are both by {of}")
        if not of and judge != parties.teacher:
            said.append(f"who makes the judge {judge} is not known here")
    return Finding(
        name="family",
        value=None,
        n=0,
        says=("; ".join(said) or "no judge is of the house of the teacher or of the local model")
        + "; never flagged, what it comes to is the preference for the reference's author",
    )

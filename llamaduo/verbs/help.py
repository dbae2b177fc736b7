"""`llamaduo --help`: verbs, groups and experiments, with a line each. Imports nothing heavy."""

from llamaduo.options import EXPERIMENTS, about, groups, options, says
from llamaduo.verbs import VERBS


def text() -> str:
    """Return the help text."""
    verbs = [f"  {name:<12}{line}" for name, line in VERBS.items()]
    chosen = [
        f"  {name + '=':<12}{about(name)}\n{'':14}{', '.join(options(name))}" for name in groups()
    ]
    runs = [f"  {name:<12}{says(path)}" for name, path in options(EXPERIMENTS).items()]
    return "\n".join(
        [
            "llamaduo [verb] [overrides] [-m]",
            "",
            "Verbs:",
            *verbs,
            "",
            "Groups, and what can be chosen (llamaduo task=summarization local=gemma_7b):",
            *chosen,
            "",
            "Experiments (llamaduo experiments=demo):",
            *runs,
            "",
            "Of one verb      llamaduo compare --help",
            "Any value        llamaduo rounds=4 tuner.lr=1e-4",
            "Sweep            llamaduo -m local=gemma_2b,mistral_7b",
            "Stop on the way  llamaduo run --until data experiments=demo (or adapter, or answers)",
            "Only show        llamaduo --cfg job, or one group: llamaduo --cfg job -p tuner",
            'Completion       eval "$(llamaduo -sc install=bash)"',
        ]
    )

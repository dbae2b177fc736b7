"""`llamaduo --help`: verbs, groups and experiments, with a line each. Imports nothing heavy."""

from llamaduo.options import EXPERIMENTS, about, groups, options, says
from llamaduo.verbs import VERBS


def text() -> str:
    """Return the help text."""
    named = options(EXPERIMENTS)
    wide = max(12, *(len(name) + 2 for name in [*VERBS, *named]))
    verbs = [f"  {name:<{wide}}{line}" for name, line in VERBS.items()]
    chosen = [
        f"  {name + '=':<{wide}}{about(name)}\n{'':{wide + 2}}{', '.join(options(name))}"
        for name in groups()
    ]
    runs = [f"  {name:<{wide}}{says(path)}" for name, path in named.items()]
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
            "Of one verb      llamaduo run --help",
            "Any value        llamaduo rounds=4 tuner.lr=1e-4",
            "Sweep            llamaduo -m local=gemma_2b,mistral_7b",
            "Stop on the way  llamaduo run --until data experiments=demo (or adapter, or answers)",
            "Ask again        llamaduo run --retry unreadable,failed experiments=demo",
            "Only show        llamaduo --cfg job, or one group: llamaduo --cfg job -p tuner",
            'Completion       eval "$(llamaduo -sc install=bash)"',
        ]
    )


def of_run() -> str:
    """Return the help text of the verb `run`."""
    return "\n".join(
        [
            "usage: llamaduo [run] [key=value ...] [--until data|adapter|answers] [-m]",
            "       llamaduo [run] [key=value ...] --retry unreadable,failed",
            "",
            VERBS["run"],
            "",
            "  key=value     a value, or a choice of a group: tuner.lr=1e-4 local=gemma_2b",
            "  --until WHERE stop before tuning (data), answering (adapter) or judging (answers);",
            "                `llamaduo pack` then takes the run elsewhere",
            "  --retry WHAT  ask again, alone, the run's calls that ended as unreadable, failed,",
            "                truncated, refused or filtered (several: parted by commas)",
            "  -m            a job for each combination of the values given: seed=1,2,3",
            "  --cfg job     only show the config; -p tuner shows one group of it",
            "",
            "Where the jobs of -m run (each is a process of its own, and logs to its own file):",
            "  one after the other, here      the default",
            "  side by side, here             hydra/launcher=joblib hydra.launcher.n_jobs=2",
            "                                 hydra/launcher=submitit_local",
            "  by Ray, here or on a cluster   hydra/launcher=ray",
            "  in the queue of Slurm          hydra/launcher=submitit_slurm",
            "",
            "Settings of a launcher are its own: hydra.launcher.KEY=VALUE.",
            "`llamaduo --help` lists the groups and what can be chosen of each; `llamaduo doctor`",
            "says whether a run will work here.",
        ]
    )

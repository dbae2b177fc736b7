"""One module per verb: its own arguments in, calls below, done."""

VERBS = {
    "run": "run an experiment: the loop, to its goal or its last round (the verb if none is given)",
    "compare": "set finished runs side by side: figures, judges, data volume, dollars",
    "report": "write the dossier of a finished run: what its verdict rests on, to read and to sign",
    "promote": "register the model of a verdict in MLflow as champion; roll back; list versions",
    "serve": "put a promoted version behind an address of this machine, until Ctrl-C",
    "probe": "hold a served copy to what was judged: the same answers, or why they are not",
    "load": "test a served version under load by its own prompts: waits, tokens/s, the knee",
    "rollout": "move traffic over: capture, shadow, canary, cutover, rollback; check; import rows",
    "sentinel": "ask a pinned set of prompts: whether the service or the served model has changed",
    "pack": "put all that a run has made and paid into a folder, to go on with elsewhere",
    "unpack": "take in what was packed elsewhere; what is here stays",
    "ui": "open MLflow's pages on the runs under home, until Ctrl-C",
    "ledger": "show what was paid and for what, by stage, model and day; export every call",
    "cost": "print what a workload costs on a service and on a model of your own",
    "store": "ls: what takes disk; gc: free it; forget: take out a person's row and all it made",
    "estimate": "say what a run would ask and pay, by stage and with a range, before it starts",
    "doctor": "say whether it will run here: what is missing or worth a look, with the fix",
}
"""Verb to one line about it; each is the module of its name."""

"""`llamaduo pack FOLDER [overrides...]`: a run as far as it has come, to take elsewhere."""

import argparse
from pathlib import Path

from llamaduo.errors import UsageError
from llamaduo.verbs import VERBS, arguments


def main(words: list[str]) -> int:
    """Pack the run that the overrides make, and say what is in the parcel and what is not."""
    from llamaduo import config
    from llamaduo.config.overrides import check
    from llamaduo.parcel.pack import pack

    given = arguments.read(parser(), words).words
    overrides = [word for word in given if "=" in word or _takes_out(word)]
    into = [word for word in given if word not in overrides]
    if len(into) != 1:
        raise UsageError("pack: name one folder, or one file that ends in .tar.gz, to pack into")
    if into[0].endswith((".zip", ".tgz", ".tar")):
        raise UsageError(f"pack: {into[0]}: an archive is a .tar.gz; any other name is a folder's")
    checked = check(overrides, sweep=False)
    exp = config.check_one(checked)
    if exp.search is not None:
        raise UsageError(
            "pack: the trials of a search are not packed; search where everything is at hand, and "
            "pack a run with what it found (search=none ..., its report has the line)"
        )
    runs = Path(exp.home) / ".llamaduo" / "runs"
    begun = sorted(place.name for place in runs.glob("*")) if runs.is_dir() else []
    packed = pack(exp, config.composed(checked.good), overrides, Path(into[0]).expanduser())
    print(
        f"packed run {packed.manifest.fingerprint} into {packed.path}: {packed.results} results, "
        f"{packed.calls} paid calls (${packed.usd:.4f}), {packed.settings} files of settings and "
        f"data; {packed.size / 1e6:.1f} MB"
    )
    if packed.manifest.fingerprint not in begun:
        there = f"; begun here: {', '.join(begun)}" if begun else ""
        print(f"look: this run was not begun here{there}")
    print(f"not in it: any key; the base model {exp.local.name} ({exp.local.base})")
    if packed.begun:
        print("not in it: the checkpoints of the tuning under way; it begins anew elsewhere")
    if exp.trusted:
        print(f"not in it: code of your own ({', '.join(exp.trusted)}); install it there")
    print(f"there: llamaduo unpack {packed.path.name}")
    return 0


def _takes_out(word: str) -> bool:
    """Whether it is an override such as `~task.checks`, and no path below a home folder."""
    return word.startswith("~") and len(word) > 1 and "/" not in word


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser(
        "pack",
        VERBS["pack"],
        word="FOLDER",
        meaning="where to: a folder that is not there yet, or a file that ends in .tar.gz; and "
        "the key=value that make the run",
    )
    made.usage = "llamaduo pack FOLDER [key=value ...]"
    return made

"""How the verbs that hand nothing to Hydra read their arguments."""

import argparse
from collections.abc import Sequence

from llamaduo.errors import UsageError
from llamaduo.options import nearest

SWEEPS = ("-m", "--multirun")


def parser(
    verb: str, about: str, *, word: str = "key=value", meaning: str = "any value of the config"
) -> argparse.ArgumentParser:
    """Return a parser that knows words and help; a verb adds the flags it takes.

    Args:
        verb: as typed.
        about: what it does.
        word: what help calls the words, which come out as `words`.
        meaning: what help says of them.
    """
    made = argparse.ArgumentParser(
        f"llamaduo {verb}",
        description=about,
        epilog="`llamaduo --help` lists the groups, and what can be chosen of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    made.add_argument("words", nargs="*", metavar=word, help=meaning)
    return made


def read(made: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Read `arguments`; flags may stand between the words.

    Raises:
        UsageError: for a flag that the verb does not take, with the nearest one.
    """
    verb = made.prog.removeprefix("llamaduo ")
    try:
        given, unknown = made.parse_known_intermixed_args(arguments)
    except argparse.ArgumentError as error:
        raise UsageError(f"{verb}: {error}") from None
    for word in unknown:
        if word in SWEEPS:
            raise UsageError(f"{verb} takes no {word}: it looks at one config; call it for each")
        raise UsageError(f"{verb}: {word}: no such flag{nearest(word, _flags(made))}")
    return given


def _flags(made: argparse.ArgumentParser) -> list[str]:
    return [flag for action in made._actions for flag in action.option_strings]

"""`llamaduo doctor`: will it run here? A line for each thing, with the fix."""

import argparse

from llamaduo.verbs import VERBS, arguments

COLUMN = 9
"""Where lines begin, after the word that says how much they matter."""


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser("doctor", VERBS["doctor"])
    made.usage = "llamaduo doctor [key=value ...]"
    return made


def main(words: list[str]) -> int:
    """Check the composed experiment and the machine; 1 if something makes a run impossible."""
    from llamaduo import machine, preflight
    from llamaduo.config import from_overrides

    exp = from_overrides(arguments.read(parser(), words).words)
    impossible = False
    for level, line in preflight.whole(exp, machine.look()):
        print(f"{level:{COLUMN}}{line.replace(chr(10), chr(10) + ' ' * COLUMN)}", flush=True)
        impossible |= level == "MISSING"
    return 1 if impossible else 0

"""The PostgreSQL server of a ledger: how it is reached, and its errors in words."""

import hashlib
import os
import re
import time
from typing import Any
from urllib.parse import unquote

from llamaduo.database import PATIENCE, URL
from llamaduo.errors import LlamaDuoError, UsageError

_ADDRESS = re.compile(
    r"postgresql(\+psycopg2)?://"
    r"((?:[^@/?#%\s]|%[0-9A-Fa-f]{2})*@)?"  # user:password
    r"[^@/?#\s]*(/[^@/?#\s]*)?(\?[^@#\s]*)?"
)
GO_ON = "What was bought is kept; the same command goes on"

_DROP = 15
"""Seconds after which the server counts a host as gone that was switched off or cut off."""

SESSION = f"""
    set application_name = 'llamaduo';
    set client_min_messages = warning;
    set tcp_keepalives_idle = {_DROP // 3};
    set tcp_keepalives_interval = {_DROP // 3};
    set tcp_keepalives_count = 2;
    set idle_in_transaction_session_timeout = '{PATIENCE:.0f}s';
    set lock_timeout = '{1.5 * PATIENCE:.0f}s';
    select set_config(name, '0', false) from pg_settings
        where name in ('idle_session_timeout', 'statement_timeout')
"""
"""A host that is gone gives way within seconds; a process that hangs in a turn, within a minute."""


class Server:
    """Opens connections to the server that the environment names."""

    def __init__(self) -> None:
        url = os.environ.get(URL, "")
        if not _ADDRESS.fullmatch(url):
            raise UsageError(
                f"ledger: what {URL} holds is no address such as "
                "postgresql://user:password@host/database; in a password, write @ as %40, / as "
                "%2F, : as %3A, # as %23, ? as %3F and % as %25"
            )
        self._url = url.replace("postgresql+psycopg2://", "postgresql://", 1)

    def connect(self) -> Any:
        """Return a connection on which each statement stands for itself.

        Raises:
            psycopg2.Error: if there is none to be had now.
        """
        import psycopg2

        db = psycopg2.connect(
            self._url,
            connect_timeout=10,
            keepalives_idle=20,
            keepalives_interval=10,
            keepalives_count=3,
            tcp_user_timeout=30_000,
        )
        db.autocommit = True
        with db.cursor() as cursor:
            cursor.execute(SESSION)
        return db

    def patiently(self) -> Any:
        """Return a connection, waited for as long as the server may be away.

        Raises:
            LlamaDuoError: in words.
        """
        import psycopg2

        late = time.monotonic() + PATIENCE
        while True:
            try:
                return self.connect()
            except psycopg2.Error as error:
                if not is_away(error) or time.monotonic() > late:
                    why = f"{self.in_words(error)}. {GO_ON}"
                    raise LlamaDuoError(why) from None
                time.sleep(0.5)

    def first(self) -> Any:
        """Return a connection at once.

        Raises:
            UsageError: in words.
        """
        import psycopg2

        try:
            return self.connect()
        except psycopg2.Error as error:
            raise UsageError(self.in_words(error)) from None

    def in_words(self, error: BaseException) -> str:
        """Return what the server or its absence comes to, without a password."""
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        user = self._url.partition("://")[2].partition("@")[0]
        password = user.partition(":")[2]
        for text in {self._url, user, password, unquote(password)}:
            if ":" in text or len(text) > 2:
                why = why.replace(text, "***")
        return f"ledger: the server of {URL} cannot be used: {why}"


def is_away(error: BaseException) -> bool:
    """Whether the server, or the way to it, is gone; it may come back."""
    import psycopg2

    code = getattr(error, "pgcode", None)
    return isinstance(error, psycopg2.InterfaceError) or (
        isinstance(error, psycopg2.OperationalError)
        and (code is None or code[:2] == "08" or code in ("57P01", "57P02", "57P03"))
    )


def number_of(name: str) -> int:
    """Return the number of the advisory lock called `name`."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)

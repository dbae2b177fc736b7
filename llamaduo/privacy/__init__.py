"""What looks like personal data or secrets in what services are sent, and what becomes of it.

It is looked for in the rows before a run asks anybody (`survey.py`), and where it is to be
hidden, in every request (`redacting.py`). Names and addresses of people are not found: that
takes a language model, and would be a guess.
"""

from typing import Any, ClassVar, Literal

from pydantic import field_validator

from llamaduo.component import Component
from llamaduo.privacy.kinds import KINDS, PERSONAL, Kind
from llamaduo.privacy.leaving import near
from llamaduo.service import Service

Fate = Literal["ask", "send", "redact"]
"""What becomes of what is found: the run is refused, it goes out, a placeholder goes out."""

_USUAL = ("US", "GB")


class Privacy(Component):
    """Whether what is found may leave."""

    version: ClassVar[int] = 1

    personal_data: Fate = "ask"
    """Of `kinds.PERSONAL`. `ask`: a run that would send some is refused until this says so.
    `redact`: placeholders are sent, and undone in what comes back."""
    secrets: Fate = "ask"
    """The same of keys, tokens, private keys and passwords in addresses."""
    ignore: tuple[Kind, ...] = ()
    """Kinds that are not looked for."""
    phones: tuple[str, ...] = _USUAL
    """Countries, by ISO 3166 code, whose phone numbers are found without their +country code."""
    inside: tuple[str, ...] | None = None
    """Names of the services that are one's own: what they are asked does not leave. None: those
    whose address is on this machine or in a private network."""

    @field_validator("phones")
    @classmethod
    def _are_countries(cls, phones: tuple[str, ...]) -> tuple[str, ...]:
        if set(phones) - set(_USUAL):
            from llamaduo.privacy.phones import unknown

            if wrong := unknown(phones):
                raise ValueError(f"no country has the code {', '.join(wrong)}; ISO 3166 has US, DE")
        return phones

    def fate(self, kind: Kind) -> Fate:
        """Return what becomes of what is found of one kind."""
        return self.personal_data if kind in PERSONAL else self.secrets

    def kinds(self, *fates: Fate) -> tuple[Kind, ...]:
        """Return the kinds that are looked for and have one of these fates."""
        return tuple(k for k in KINDS if k not in self.ignore and self.fate(k) in fates)

    def leaves(self, service: Service) -> bool:
        """Whether what `service` is asked leaves what is one's own; nothing does in a play."""
        if service.simulated:
            return False
        return not near(service) if self.inside is None else service.name not in self.inside

    def hides(self, service: Service) -> bool:
        """Whether something of what `service` is asked is replaced before it is sent."""
        return bool(self.kinds("redact")) and self.leaves(service)

    def key(self) -> dict[str, Any]:
        """Return what changes what is sent: which kinds are replaced, and how they are found.

        Who it is replaced for, those that ask put beside it. What is only asked about or sent
        as it is changes nothing, and is not in it.
        """
        hidden = self.kinds("redact")
        cls = type(self)
        found: dict[str, Any] = {"is": f"{cls.__module__}.{cls.__qualname__}"}
        found |= {"version": cls.version, "redact": list(hidden)}
        return found | ({"phones": sorted(self.phones)} if "phone" in hidden else {})

"""What a service is asked for in a day, and what it takes to answer that oneself."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from llamaduo.component import Component
from llamaduo.errors import UsageError
from llamaduo.workload.price import Asked
from llamaduo.workload.ranges import Amount, Days, Growth, Hours, Least1, Share, ends
from llamaduo.workload.throughput import Throughput

Servers = Annotated[int, Field(ge=1)] | Literal["auto"]
"""How many servers, or `auto` for as many as `throughput` asks for."""
FILE_NAME = re.compile(r"\w[\w. -]{0,79}")
"""What can be a part of a file's name everywhere."""
LONGEST = 240
"""Months that a projection may reach: twenty years."""


class Claims(Component):
    """What the paper's text says of a workload, where its table says something else."""

    output_tokens_per_day: int = Field(ge=0)
    """Tokens a day that the text has the service write."""
    service_usd_per_day: float = Field(ge=0, allow_inf_nan=False)
    """Dollars a day that the text gives for them."""
    cheaper_after_months: int = Field(ge=1)
    """By this month, the text says, the service has cost more than the local model."""


class Offer(Component):
    """A further service to compare with."""

    name: str
    """What tables and figures call it."""
    price: Asked
    """What it asks per million tokens."""


class Model(Component):
    """A further local model to compare with. What is not given is the workload's own."""

    name: str
    """What tables and figures call it."""
    tuning_usd: Amount | None = None
    """As the workload's, for this model; so are the keys below."""
    tuning_hours: Amount | None = None
    tuning_usd_per_hour: Amount | None = None
    servers: Servers | None = None
    throughput: Throughput | None = None
    """With `servers: auto`, which it brings along."""
    server_usd: Amount | None = None
    usd_per_server_hour: Amount | None = None
    """Rented instead of bought; then the workload's `server_usd` and watts do not count."""
    watts_per_server: Amount | None = None
    usd_per_kwh: Amount | None = None

    def given(self) -> dict[str, Any]:
        """Return what this model has of its own, by the workload's keys."""
        own = {n: v for n, v in self if n != "name" and v is not None}
        without: tuple[str, ...] = ()
        if "throughput" in own:
            own.setdefault("servers", "auto")
        elif own.get("servers", "auto") != "auto":
            without = ("throughput",)
        if "usd_per_server_hour" in own:
            without += ("server_usd", "watts_per_server", "usd_per_kwh")
        elif "server_usd" in own:
            without += ("usd_per_server_hour",)
        return dict.fromkeys(without) | own


class Workload(Component):
    """Everything the cost arithmetic needs. Defaults are the paper's where no dollar hangs on them.

    A number whose key takes a range may be given as `[low, high]` or as
    `{low:, likely:, high:}`; the break-even is then an interval.
    """

    name: str
    """What tables and figures call it, and the files of the figures."""
    local_name: str
    """What the local model is called, in a column and a legend."""
    service_name: str
    """What the service is called there."""
    input_tokens_per_day: Amount
    """Prompt tokens a day, over all requests. A range is taken."""
    output_tokens_per_day: Amount
    """Completion tokens a day. A range is taken."""
    days_per_month: Days = 30.0
    """Days of a month on which the tokens are asked for. A range is taken."""
    growth_per_month: Growth = 0.0
    """By what share the tokens of a month exceed those of the month before, -1..1. A range is
    taken. Servers grow along where they are `auto`; a number of them stays as it is."""
    cached_share: Share = 0.0
    """Share of the prompt tokens that the service reads from its cache, 0..1; not of those in
    batches. A range is taken."""
    batch_share: Share = 0.0
    """Share of the tokens that can wait for the service's batch API, 0..1. A range is taken."""
    escalated_share: Share = 0.0
    """Share of the tokens that the service still answers after the switch, 0..1, at `price`: by a
    rule, or where the local model fails. It is a cost of the local model; its servers stay as
    many as all tokens need. A range is taken."""
    months: tuple[int, ...] = tuple(range(1, 13))
    """Months, counted from the purchase, whose totals are printed and plotted; rising."""
    price: Asked
    """What the service asks per million tokens, with the day and place it was read, or its
    name in litellm's price map. Each price takes a range."""
    services: tuple[Offer, ...] = Field((), max_length=8)
    """Further services to compare with, each with its own price; in a figure, more than 8
    could not be told apart."""
    models: tuple[Model, ...] = Field((), max_length=5)
    """Further local models to compare with, each with what it has of its own; 5 at most."""
    tuning_usd: Amount
    """Dollars for one tuning of the local model, whatever takes no hours. A range is taken."""
    tuning_hours: Amount = 0.0
    """Hours of one tuning, at `tuning_usd_per_hour`, on top of `tuning_usd`. A range is taken."""
    tuning_usd_per_hour: Amount = 0.0
    """Dollars an hour of tuning, people or machines. A range is taken."""
    retune_every_months: Least1 | None = None
    """After so many months the model is tuned again, at the same cost. None: never. A range
    is taken."""
    servers: Servers
    """Servers, enough to keep up with the tokens, or `auto` for as many as `throughput` needs."""
    throughput: Throughput | None = None
    """What one server was measured to do; needed for `servers: auto`, and refused without."""
    server_usd: Amount | None = None
    """Dollars a server, once, with its GPU. None: it is rented. A range is taken."""
    usd_per_server_hour: Amount | None = None
    """Dollars an hour for a rented server, electricity with it. None: it is bought. A range
    is taken."""
    watts_per_server: Amount | None = None
    """Watts a bought server draws, on average over the hours it is on. A range is taken."""
    hours_per_month: Hours = 720.0
    """Hours of a month that the servers are on, or rented. A range is taken."""
    usd_per_kwh: Amount | None = None
    """Dollars per kilowatt-hour of electricity, for bought servers. A range is taken."""
    printed: Mapping[int, tuple[float, float]] | None = None
    """Month to (local, service) dollars so far, as the paper's table prints them. Read only while
    each side has one that the sums give too: the assumptions are then the paper's."""
    claims: Claims | None = None
    """What the paper's text says, read where `printed` is; None where it agrees with the table."""

    @field_validator("name")
    @classmethod
    def _names_files(cls, name: str) -> str:
        if not FILE_NAME.fullmatch(name):
            raise ValueError(
                "stands in the name of a figure's file: letters, digits, space and . _ - only, "
                "the first one a letter, a digit or _, 80 at most"
            )
        return name

    @field_validator("months")
    @classmethod
    def _rising(cls, months: tuple[int, ...]) -> tuple[int, ...]:
        if not months or months[0] < 1 or list(months) != sorted(set(months)):
            raise ValueError(f"months are whole, rising and from 1 on; got {list(months)}")
        if months[-1] > LONGEST:
            raise ValueError(f"months reach to {LONGEST} at most; got {months[-1]}")
        return months

    @model_validator(mode="after")
    def _agrees(self) -> "Workload":
        for fault in (self._servers_fault(), self._hardware_fault(), self._names_fault()):
            if fault:
                raise ValueError(fault)
        for model in self.models:
            try:
                self.of(model)
            except ValidationError as error:
                said = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise ValueError(f"models, {model.name}: {said}") from None
        return self

    def _servers_fault(self) -> str:
        if self.servers == "auto" and self.throughput is None:
            return "servers: auto needs throughput: what one server was measured to do"
        if self.servers != "auto" and self.throughput is not None:
            return (
                f"servers is {self.servers}, so that throughput has no say: set servers to auto, "
                "or throughput to null"
            )
        if self.servers == "auto" and ends(self.hours_per_month)[0] <= 0:
            return "servers: auto needs hours_per_month above 0, in which tokens are answered"
        return ""

    def _hardware_fault(self) -> str:
        if (self.server_usd is None) == (self.usd_per_server_hour is None):
            return (
                "a server is bought (server_usd) or rented (usd_per_server_hour): give one and "
                "set the other to null"
            )
        power = {"watts_per_server": self.watts_per_server, "usd_per_kwh": self.usd_per_kwh}
        if self.server_usd is not None:
            missing = [name for name, value in power.items() if value is None]
            return f"a bought server needs {' and '.join(missing)}" if missing else ""
        given = [name for name, value in power.items() if value is not None]
        if given:
            return f"a rented server's electricity is in its rent: set {', '.join(given)} to null"
        return ""

    def _names_fault(self) -> str:
        names = [self.local_name, self.service_name]
        names += [one.name for one in self.services] + [one.name for one in self.models]
        twice = sorted({name for name in names if names.count(name) > 1})
        return f"each service and model has a name of its own; twice: {twice[0]}" if twice else ""

    def faults(self) -> list[str]:
        """Return what stands in the way of adding up: a price or a measurement not to be had."""
        found = []
        for measured in (self.throughput, *(model.throughput for model in self.models)):
            try:
                if measured is not None:
                    measured.load()
            except UsageError as error:
                found.append(f"workload: {error}")
        for key, price in self._prices().items():
            try:
                price.rates()
            except UsageError as error:
                found.append(f"workload.{key}: {error}")
        return found

    def _prices(self) -> dict[str, Asked]:
        return {"price": self.price} | {f"services.{o.name}.price": o.price for o in self.services}

    def of(self, model: Model) -> "Workload":
        """Return this workload as it would be with `model` for its local model."""
        alone = {"models": (), "services": (), "local_name": model.name}
        return Workload.model_validate(dict(self) | alone | model.given())

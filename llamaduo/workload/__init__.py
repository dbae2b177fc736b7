"""What a service is asked for in a day, and what it takes to answer that oneself."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator

from llamaduo.component import Component
from llamaduo.service.chat import Price

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A quantity that can be nothing, but neither negative nor endless."""


class Claims(Component):
    """What the paper's text says of a workload, where its table says something else."""

    output_tokens_per_day: int = Field(ge=0)
    """Tokens a day that the text has the service write."""
    service_usd_per_day: Amount
    """Dollars a day that the text gives for them."""
    cheaper_after_months: int = Field(ge=1)
    """By this month, the text says, the service has cost more than the local model."""


class Workload(Component):
    """Everything the cost arithmetic needs. Defaults are the paper's where no dollar hangs on them.

    What is counted of the local model: tuning it once, servers bought once, their
    electricity. Not counted: people, room, network, cooling, repairs, tuning it again.
    """

    name: str
    """What tables and figures call it."""
    local_name: str
    """What the local model is called, in a column and a legend."""
    service_name: str
    """What the service is called there."""
    input_tokens_per_day: int = Field(ge=0)
    """Prompt tokens a day, over all requests."""
    output_tokens_per_day: int = Field(ge=0)
    """Completion tokens a day."""
    days_per_month: float = Field(30, ge=0, le=31)
    """Days of a month on which the tokens are asked for."""
    months: tuple[int, ...] = tuple(range(1, 13))
    """Months, counted from the purchase, whose totals are printed and plotted; rising."""
    price: Price
    """What the service asks per million tokens, with the day and place it was read."""
    tuning_usd: Amount
    """Dollars, once: the rented GPUs on which the local model is tuned."""
    servers: int = Field(ge=1)
    """Servers bought, enough to keep up with the tokens."""
    server_usd: Amount
    """Dollars a server, once, with its GPU."""
    watts_per_server: Amount
    """Watts a server draws, on average over the hours it is on."""
    hours_per_month: float = Field(720, ge=0, le=744)
    """Hours of a month that the servers are on."""
    usd_per_kwh: Amount
    """Dollars per kilowatt-hour of electricity."""
    printed: Mapping[int, tuple[float, float]] | None = None
    """Month to (local, service) dollars so far, as the paper's table prints them."""
    claims: Claims | None = None
    """What the paper's text says; None where it agrees with the table."""

    @field_validator("months")
    @classmethod
    def _rising(cls, months: tuple[int, ...]) -> tuple[int, ...]:
        if not months or months[0] < 1 or list(months) != sorted(set(months)):
            raise ValueError(f"months are whole, rising and from 1 on; got {list(months)}")
        return months

    @property
    def once_usd(self) -> float:
        """Dollars spent on the local model before its first month."""
        return self.tuning_usd + self.servers * self.server_usd

    @property
    def kwh_per_month(self) -> float:
        """Kilowatt-hours a month, all servers together."""
        return self.servers * self.watts_per_server * self.hours_per_month / 1000

    @property
    def local_usd_per_month(self) -> float:
        """Dollars a month that the local model goes on to cost."""
        return self.kwh_per_month * self.usd_per_kwh

    @property
    def input_tokens_per_month(self) -> int:
        """Prompt tokens a month."""
        return round(self.input_tokens_per_day * self.days_per_month)

    @property
    def output_tokens_per_month(self) -> int:
        """Completion tokens a month."""
        return round(self.output_tokens_per_day * self.days_per_month)

    @property
    def service_usd_per_month(self) -> float:
        """Dollars a month that the service costs."""
        return self.price.usd(self.input_tokens_per_month, self.output_tokens_per_month)

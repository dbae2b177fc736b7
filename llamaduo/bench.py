"""What all stages work with: store, ledger, progress, and the account of what was paid."""

from dataclasses import dataclass, field

from llamaduo.desk import Desk
from llamaduo.errors import ServiceError
from llamaduo.experiment import Experiment
from llamaduo.ledger import Ledger
from llamaduo.privacy.redacting import guarded, hidden_from
from llamaduo.progress import Progress
from llamaduo.records import Tally
from llamaduo.service import Caller, Service
from llamaduo.store import Store, Work


@dataclass
class Bench:
    """What the loop is made of. Objects are handed to each stage; none knows the store."""

    exp: Experiment
    store: Store
    ledger: Ledger
    progress: Progress
    run: str
    """Fingerprint of the run: taken once, so that a file edited meanwhile does not move it."""
    paid: list[str] = field(default_factory=list)
    """Recipes that rest on service calls, in the order they came up."""

    def tallies(self) -> list[Tally]:
        """Count the calls of all paid stages so far; one that two rest on, with the first."""
        paid = self.paid
        return [self.ledger.tally(name, beside=paid[:i]) for i, name in enumerate(paid)]

    def desk(self, service: Service, work: Work) -> Caller:
        """Return the way to spend that a stage is given."""
        exp = self.exp
        if faults := service.faults():  # a run that is to stop early is not asked for keys at once
            stage = work.recipe.partition("/")[0]
            raise ServiceError(
                f"`{stage}` comes next, and {service.name} cannot be asked for it here: "
                f"{'; '.join(faults)}. What is made is kept: set it, or go on where it is set, "
                "with `llamaduo pack` here and `llamaduo unpack` there"
            )
        self.rests_on(work.recipe)  # now, so that a stage the budget stops is counted too
        desk = Desk(
            ledger=self.ledger,
            service=service,
            recipe=work.recipe,
            run=self.run,
            seed=exp.seed,
            budget=exp.budget_usd,
        )
        return guarded(desk, service, exp.privacy)

    def hidden(self, *services: Service) -> list[object]:
        """Return what a recipe says of what is hidden from services; nothing where nothing is."""
        return hidden_from(self.exp.privacy, services)

    def rests_on(self, recipe: str) -> None:
        """Note that the run rests on the calls of a recipe."""
        if recipe not in self.paid:
            self.paid.append(recipe)

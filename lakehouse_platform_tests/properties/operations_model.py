"""What a table that a team works with must hold after each operation, as plain Python: no SQL, no Delta, no code of the platform.

The table takes batches of records, each judged by the contract of its time; a batch of which too few rows are valid waits for a decision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Literal

# A batch of at least so many rows waits for a decision where a smaller share of them is valid.
MINIMUM_ROWS, BLOCK_SHARE = 4, 0.5
# The largest amount that each contract lets in.
LIMITS = (9, 5, 7)

Place = tuple[str, int]
Outcome = Literal["valid", "rejected"]


@dataclass(frozen=True)
class Sale:
    """One record: where it stands, and what it says. An amount of None is one that is no number."""

    place: Place
    key: int
    day: int
    sequence: int
    amount: int | None


@dataclass
class Model:
    """The state of bronze and of the table made from it. `taken` is how many batches the table has read, `judged` what became of their records.

    `block` is the range of batches that wait, with the contract that they were judged by; `rulings` are those of single batches.
    """

    batches: list[list[Sale]] = field(default_factory=list)
    contract: int = 0
    taken: int = 0
    judged: dict[Place, tuple[Outcome, int]] = field(default_factory=dict)
    block: tuple[int, int, int] | None = None
    rulings: dict[int, Literal["released", "rejected"]] = field(default_factory=dict)
    versions: dict[int, tuple[int, dict[Place, tuple[Outcome, int]]]] = field(default_factory=dict)

    def ingest(self, sales: Sequence[Sale]) -> None:
        """New records stand in bronze; the table is refreshed after."""
        self.batches.append(list(sales))
        self.refresh()

    def refresh(self) -> None:
        """Take what is new; a block that would be judged the same stays, and what came after it waits too."""
        while self.taken < len(self.batches):
            until = self.block[1] if self.block is not None else len(self.batches)
            if self.block == (self.taken, until, self.contract):
                return
            if self._is_blocked(self.taken, until):
                self.block = (self.taken, until, self.contract)
                return
            self._take(until)

    def change_contract(self, contract: int) -> None:
        """Another contract holds for what is judged from now on, and the blocked batch is judged again."""
        self.contract = contract
        self.refresh()

    def settle(self, ruling: Literal["released", "rejected"]) -> None:
        """The blocked batch is committed with its valid rows, or with none."""
        assert self.block is not None
        first, until, _ = self.block
        self.rulings |= dict.fromkeys(range(first, until), ruling)
        self._take(until)

    def replay(self) -> None:
        """Rejected records are judged by the present contract."""
        for number, batch in enumerate(self.batches[: self.taken]):
            for sale in batch:
                if self.judged[sale.place][0] == "rejected":
                    self.judged[sale.place] = (self._judge(number, sale), self.contract)

    def rebuild(self) -> None:
        """All records that the table has read are judged by the present contract."""
        self._judge_all(0, self.taken)

    def restore(self, version: int) -> None:
        """The table is what it was at a version; rulings stand, and so does the end of a block, which is judged again with what comes before it."""
        self.taken, judged = self.versions[version]
        self.judged = dict(judged)

    def remember(self, version: int) -> None:
        """The table is at this version now."""
        self.versions[version] = (self.taken, deepcopy(self.judged))

    @property
    def sales(self) -> list[Sale]:
        """The records that the table has read."""
        return [sale for batch in self.batches[: self.taken] for sale in batch]

    def places(self, outcome: Outcome) -> set[Place]:
        """Where the records with an outcome stand."""
        return {place for place, (each, _) in self.judged.items() if each == outcome}

    def winners(self) -> dict[int, Sale]:
        """The valid record of each key that the table holds: the last by sequence, then by place."""
        valid = [sale for sale in self.sales if self.judged[sale.place][0] == "valid"]
        return {sale.key: sale for sale in sorted(valid, key=lambda sale: (sale.sequence, sale.place))}

    def days(self) -> Mapping[int, tuple[int, int]]:
        """Rows and sum of amounts by day."""
        found: dict[int, tuple[int, int]] = {}
        for sale in self.winners().values():
            rows, total = found.get(sale.day, (0, 0))
            found[sale.day] = (rows + 1, total + (sale.amount or 0))
        return found

    def accounts(self) -> dict[str, int]:
        """The books."""
        ends = Counter(outcome for outcome, _ in self.judged.values())
        accepted = len(self.winners())
        return {"read": len(self.judged), "accepted": accepted, "duplicates": ends["valid"] - accepted, "rejected": ends["rejected"]}

    @property
    def is_stale(self) -> bool:
        """Whether some record would be judged otherwise today."""
        numbered = ((number, sale) for number, batch in enumerate(self.batches[: self.taken]) for sale in batch)
        return any(self._judge(number, sale) != self.judged[sale.place][0] for number, sale in numbered)

    def _take(self, until: int) -> None:
        self._judge_all(self.taken, until)
        self.taken, self.block = until, None

    def _judge_all(self, first: int, until: int) -> None:
        for number in range(first, until):
            for sale in self.batches[number]:
                self.judged[sale.place] = (self._judge(number, sale), self.contract)

    def _judge(self, number: int, sale: Sale) -> Outcome:
        is_valid = self.rulings.get(number) != "rejected" and sale.amount is not None and sale.amount <= LIMITS[self.contract]
        return "valid" if is_valid else "rejected"

    def _is_blocked(self, first: int, until: int) -> bool:
        # What a person decided once is not asked again.
        outcomes = [self._judge(number, sale) for number in range(first, until) if number not in self.rulings for sale in self.batches[number]]
        return len(outcomes) >= MINIMUM_ROWS and outcomes.count("valid") / len(outcomes) < BLOCK_SHARE

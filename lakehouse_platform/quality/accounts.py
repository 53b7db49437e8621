"""Accounting: what became of every row that was read. Not here: where the books are kept (medallion/books.py)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

DUPLICATE_KINDS = ("repeated", "superseded", "conflicting")


@dataclass(frozen=True)
class Accounts:
    """Rows by their end. `read` equals the sum of the other ends, always; differences (a rebuild) may be negative.

    The duplicates by kind, against the row that holds their key: `repeated` ones say the same, `superseded` ones come elsewhere in the sequence,
    `conflicting` ones say something else at the same place of it. They sum to `duplicates`; they alone may depend on the order of arrival.
    """

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    late: int = 0
    filtered: int = 0
    repeated: int = field(default=0, compare=False)
    superseded: int = field(default=0, compare=False)
    conflicting: int = field(default=0, compare=False)

    @property
    def ends(self) -> dict[str, int]:
        """`read` and the ends by name, without the kinds of duplicates."""
        return {name: count for name, count in asdict(self).items() if name not in DUPLICATE_KINDS}

    @property
    def balance(self) -> int:
        """`read` less all ends: 0, or rows were lost or doubled."""
        return self.read - self.accepted - self.duplicates - self.rejected - self.late - self.filtered

    @property
    def pass_rate(self) -> float | None:
        """Share of the rows that were not turned away, of those that the query does not leave out; None where there are none."""
        judged = self.read - self.filtered
        return (judged - self.rejected) / judged if judged > 0 else None

    def __add__(self, other: Accounts) -> Accounts:
        mine, theirs = asdict(self), asdict(other)
        return Accounts(**{name: mine[name] + theirs[name] for name in mine})

    def __sub__(self, other: Accounts) -> Accounts:
        mine, theirs = asdict(self), asdict(other)
        return Accounts(**{name: mine[name] - theirs[name] for name in mine})

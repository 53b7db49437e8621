"""Generated invoices of a retailer, one CSV file a day, with the dirt of a real export. Not here: writing the files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

_HEADER = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
_FIRST_DAY = datetime(2010, 12, 1)  # noqa: DTZ001 -- the export has no zone
_DAYS = 45
_SATURDAY = 5
_COLOURS = ("WHITE", "RED", "BLUE", "IVORY", "PINK", "RETROSPOT", "VINTAGE", "HEART")
_THINGS = ("MUG", "LANTERN", "CAKE STAND", "LUNCH BAG", "TEA TOWEL", "WICKER BASKET", "PHOTO FRAME", 'SET OF 3 "RETRO" TINS', "CARDS, PACK OF 6")
_COUNTRIES = ("United Kingdom",) * 18 + ("Germany", "France", "EIRE", "Spain")
# What a hand or a broken export does to a line; each is turned away with its reason.
_BROKEN_LINES = (
    b"536999,85123A,LINE CUT OFF,6,2010-12-09 09:00:00\n",
    b"536999,22752,QUANTITY IN WORDS,six,2010-12-09 09:00:00,7.65,17850.0,United Kingdom\n",
    b"536999,22752,NO SUCH DAY,6,2010-13-39 09:00:00,7.65,17850.0,United Kingdom\n",
    b"536999,84029G,CAF\xc9 SIGN IN ANOTHER ENCODING,1,2010-12-09 09:00:00,4.25,17850.0,United Kingdom\n",
    b",22086,NO INVOICE NUMBER,1,2010-12-09 09:00:00,2.55,17850.0,United Kingdom\n",
)


@dataclass(frozen=True)
class _Product:
    code: str
    description: str
    renamed: str
    price: str


def generated(seed: int) -> Iterator[tuple[str, bytes]]:
    """Path below the landing folder and bytes of each file."""
    random = Random(f"retail {seed}")  # noqa: S311 -- data, not secrets
    products = [_product(random, number) for number in range(240)]
    customers = [(f"{number}.0", random.choice(_COUNTRIES)) for number in random.sample(range(12346, 18288), 300)]
    invoice = 536365
    for offset in range(_DAYS):
        day = _FIRST_DAY + timedelta(days=offset)
        if day.weekday() == _SATURDAY:
            continue
        lines = []
        for _ in range(random.randint(15, 30)):
            lines += _invoice(random, f"{invoice}", day, products, customers)
            invoice += 1
        broken = _BROKEN_LINES if offset == 8 else ()
        yield f"retail/generated-{day:%Y-%m-%d}.csv", _file(lines, broken, is_from_windows=offset == 13)


def _invoice(random: Random, number: str, day: datetime, products: list[_Product], customers: list[tuple[str, str]]) -> list[tuple[str, ...]]:
    time = day + timedelta(minutes=random.randint(8 * 60, 18 * 60))
    buyer = random.choice(customers) if random.random() > 0.25 else ("", "United Kingdom")
    if random.random() < 0.003:
        return [(f"A{number}", "B", "Adjust bad debt", "1", f"{time}", f"-{random.randint(1000, 9999)}.06", "", "United Kingdom")]
    is_cancelled = random.random() < 0.08
    lines: list[tuple[str, ...]] = []
    for product in random.sample(products, random.randint(1, 25)):
        lines.append(_line(random, f"C{number}" if is_cancelled else number, product, time, buyer))
        if random.random() < 0.01:
            lines.append(lines[-1])
    return lines


def _line(random: Random, number: str, product: _Product, time: datetime, buyer: tuple[str, str]) -> tuple[str, ...]:
    quantity, price = random.choice((1, 1, 2, 3, 4, 6, 12, 24, 48)), product.price
    description = product.description if time < _FIRST_DAY + timedelta(days=20) else product.renamed
    oddity = random.random()
    if oddity < 0.003:
        # A correction of stock: nothing is known of it but that pieces are gone.
        return (number.lstrip("C"), product.code, random.choice(("", "damages", "?")), f"{-quantity}", f"{time}", "0.0", "", "United Kingdom")
    if oddity < 0.006:
        price = "0.0"
    return (number, product.code, description, f"{-quantity if number.startswith('C') else quantity}", f"{time}", price, *buyer)


def _product(random: Random, number: int) -> _Product:
    description = f"{random.choice(_COLOURS)} {random.choice(_THINGS)}"
    # Every tenth product is renamed, and every tenth gets a blank too many, which is no new name.
    renamed = {1: f"CHRISTMAS {description}", 2: f"{description} "}.get(number % 10, description)
    code = f"{20000 + number * 7}{random.choice(('', '', 'A', 'B'))}"
    return _Product(code, description, renamed, random.choice(("0.42", "0.85", "1.25", "2.55", "4.95", "12.75")))


def _file(lines: list[tuple[str, ...]], broken: tuple[bytes, ...], *, is_from_windows: bool) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n" if is_from_windows else "\n").writerows([_HEADER, *lines])
    return text.getvalue().encode("utf-8-sig" if is_from_windows else "utf-8") + b"".join(broken)

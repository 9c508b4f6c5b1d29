"""What is to happen to orders that match: fills in parts, delays, none at all, a refusal."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import ROUND_FLOOR, Decimal, InvalidOperation

from agora.sandbox.binance.symbols import SYMBOLS, Symbol
from agora.sandbox.wire import Json

OUTCOMES = ("fill", "never", "expire", "reject")


@dataclass(kw_only=True)
class Script:
    """For orders of `account` (label) and `symbol` whose client id contains `match`, each empty for
    any, `count` times at most (None: for ever). `parts` are fills of a quantity ("0.2") or a share of
    the order ("40%"), each after `delay` seconds; then `outcome`. `price` is that of its fills.
    """

    account: str = ""
    symbol: str = ""
    match: str = ""
    parts: tuple[str, ...] = ()
    delay: float = 0
    outcome: str = "fill"
    price: str | None = None
    message: str = "This action is disabled on this account."
    count: int | None = None
    used: int = 0

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)}")
        if self.symbol and self.symbol not in SYMBOLS:
            raise ValueError(f"no symbol {self.symbol}")
        self.parts = tuple(str(part) for part in self.parts)
        for amount in (*(part.removesuffix("%") for part in self.parts), self.price or "1"):
            _positive(amount)
        self.delay = float(self.delay)

    def fits(self, *, account: str, symbol: str, client_id: str) -> bool:
        return (
            (self.count is None or self.used < self.count)
            and (not self.account or self.account == account)
            and (not self.symbol or self.symbol == symbol)
            and self.match in client_id
        )

    def quantity(self, part: str, *, whole: Decimal, symbol: Symbol) -> Decimal:
        """A part of an order in the base asset, rounded down to the symbol's step."""
        amount = whole * _positive(part[:-1]) / 100 if part.endswith("%") else _positive(part)
        return (amount / symbol.step).quantize(Decimal(1), rounding=ROUND_FLOOR) * symbol.step


@dataclass
class Scripts:
    """The newest script that fits counts. They are not kept over a restart."""

    rules: list[Script] = field(default_factory=list)

    def add(self, body: Json) -> Script:
        """Raises ValueError on an unknown field or value."""
        try:
            script = Script(**body)
        except TypeError as error:
            raise ValueError(str(error)) from None
        self.rules.append(script)
        return script

    def find(self, *, account: str, symbol: str, client_id: str) -> Script | None:
        """The one that counts for an order; who follows it adds to its `used`."""
        for script in reversed(self.rules):
            if script.fits(account=account, symbol=symbol, client_id=client_id):
                return script
        return None

    def state(self) -> list[Json]:
        return [asdict(script) for script in self.rules]


def _positive(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        raise ValueError(f"{text} is not a number above 0")
    return amount

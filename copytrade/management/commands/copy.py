"""`manage.py copy`: what became of a signal, whether ledgers are right, and the kill switches."""

import argparse
import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from agora.lib.commands import actions_of
from agora.lib.formats import quantity, rounded
from agora.lib.money import plain
from copytrade.api.signals import copies_json, leg_json, signal_json
from copytrade.models import CopyOrder, ExchangeAccount, KillSwitch, Signal, Strategy, Subscription
from copytrade.selectors.explain import LegAnswer, explain_leg, explain_signal, headline
from copytrade.selectors.overview import overview
from copytrade.selectors.switches import engaged
from copytrade.services import kill
from copytrade.services.proof import ProofRefused, prove
from copytrade.states import AccountState

_MOST_LEGS = 100
_EXIT = """exit codes:
  0  done: explained, all ledgers agree, stopped, released, nothing needs a person
  1  not so: no such id, a ledger differs, refused, something needs a person
  2  the command line is wrong, or (prove) an account could not be compared

examples:
  manage.py copy explain 5f0c3a52-…            why a signal was, or was not, copied
  manage.py copy prove --account 8d1e…          compare one ledger with the exchange
  manage.py copy kill platform --reason "…"     stop everything
  manage.py copy release platform --emergency "…"   let it go on, alone
  manage.py copy status                         what is open, waiting, stuck or stopped
"""


class Command(BaseCommand):
    help = "Explain copies, compare ledgers, stop copying, and tell how it stands."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=_EXIT,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = actions_of(parser)
        explain = actions.add_parser(
            "explain", help="what became of a signal, or of one copy, and why"
        )
        explain.add_argument("id", type=uuid.UUID, help="id of a signal or of a leg")

        proving = actions.add_parser("prove", help="compare ledgers with the exchange, now")
        proving.add_argument(
            "--account", type=uuid.UUID, help="this exchange account only; default: all in use"
        )

        for name, told in (
            ("kill", "send nothing more to the exchange at a level"),
            ("release", "let it go on"),
        ):
            switch = actions.add_parser(name, help=told)
            switch.add_argument("level", choices=KillSwitch.Level.values)
            switch.add_argument(
                "target", nargs="?", default="", help="exchange's name, or id; none for platform"
            )
            if name == "kill":
                switch.add_argument("--reason", required=True, help="a few words; they are shown")
            else:
                switch.add_argument(
                    "--emergency",
                    default="",
                    metavar="REASON",
                    help="why platform or exchange is released by you alone: two people do it in the "
                    "back office; told in log and trail",
                )

        actions.add_parser("status", help="open legs, oldest waiting, switches")
        for one in actions.choices.values():
            one.add_argument("--json", action="store_true", help="JSON instead of text")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(**options)

    # --- explain

    def _explain(self, *, id: uuid.UUID, **options: Any) -> None:  # noqa: A002  # the argument's name
        signal = Signal.objects.select_related("strategy").filter(pk=id).first()
        leg = CopyOrder.objects.select_related("signal__strategy").filter(pk=id).first()
        if signal is not None:
            self._explain_signal(signal, as_json=options["json"])
        elif leg is not None:
            answer = explain_leg(leg)
            if options["json"]:
                self._print(leg_json(answer))
            else:
                self._lines([_title(leg.signal), "", *_leg_lines(answer)])
        else:
            raise CommandError(
                f"There is no signal and no copy {id}. Signals are listed in the back office and by "
                "GET /api/v1/copy/signals.",
                returncode=1,
            )

    def _explain_signal(self, signal: Signal, *, as_json: bool) -> None:
        answer = explain_signal(signal)
        legs = CopyOrder.objects.filter(signal=signal).select_related("signal")
        explained = (explain_leg(leg) for leg in legs.order_by("rank", "leg")[:_MOST_LEGS])
        if as_json:
            told = [leg_json(leg) for leg in explained]
            self._print({**signal_json(signal), "copies": copies_json(answer), "legs": told})
            return
        self._lines([_title(signal), ""])
        if not answer.legs:
            self._lines(["Nobody followed the strategy then, so there was nothing to copy."])
            return
        self._lines(
            [
                f"{answer.copied} of {answer.legs} copies were made:",
                *(
                    f"{outcome.count:>7}  {outcome.label}"
                    + (f": {outcome.text} ({outcome.reason})" if outcome.reason else "")
                    for outcome in answer.outcomes
                ),
            ]
        )
        base, _slash, quote = signal.symbol.partition("/")
        if answer.value:
            self._lines(
                [
                    "",
                    f"Together {quantity(answer.quantity)} {base} for {rounded(answer.value)} {quote}"
                    + (
                        f", {_slippage(answer.slippage_bps)} than the signal's price."
                        if answer.slippage_bps is not None
                        else "."
                    ),
                ]
            )
        if answer.median_ms is not None:
            half, last = answer.median_ms, answer.last_ms
            self._lines(
                [f"Accepted by the exchange: half within {half} ms, the last after {last} ms."]
            )
        self._lines(["", "Each, in the order of sending:"])
        self._lines(f"  {leg.leg.pk}  {leg.outcome} {leg.why}".rstrip() for leg in explained)
        if answer.legs > _MOST_LEGS:
            self._lines([f"  … and {answer.legs - _MOST_LEGS} more."])

    # --- prove

    def _prove(self, *, account: uuid.UUID | None, **options: Any) -> None:
        accounts = ExchangeAccount.objects.filter(
            state=AccountState.ACTIVE, opened_at__isnull=False
        )
        if account is not None:
            accounts = ExchangeAccount.objects.filter(pk=account)
            if not accounts.exists():
                raise CommandError(f"There is no exchange account {account}.", returncode=1)
        found: dict[str, Any] = {}
        differs = failed = False
        for pk in accounts.order_by("pk").values_list("pk", flat=True):
            try:
                proved = prove(account_id=pk, now=timezone.now())
            except ProofRefused as refusal:
                found[str(pk)] = {"error": refusal.code, "message": str(refusal.message)}
                failed = True
                continue
            differences = {asset: plain(value) for asset, value in proved.differences.items()}
            differs = differs or bool(differences)
            found[str(pk)] = {
                "assets": proved.assets,
                "booked": proved.booked,
                "differences": differences,
            }
        if options["json"]:
            self._print(found)
        else:
            self._lines(_proof_line(pk, told) for pk, told in found.items())
        if differs:
            raise CommandError("At least one ledger differs from the exchange.", returncode=1)
        if failed:
            raise CommandError("At least one account could not be compared.", returncode=2)

    # --- kill, release

    def _kill(self, *, level: str, target: str, reason: str, **options: Any) -> None:
        try:
            done = kill.engage(
                level=level, reason=reason, by=None, now=timezone.now(), **_target(level, target)
            )
        except kill.KillRefused as refusal:
            raise CommandError(str(refusal.message), returncode=1) from refusal
        if options["json"]:
            self._print(
                {
                    "switch": done.switch.pk,
                    "is_new": done.is_new,
                    "in_flight": done.in_flight,
                    "left": done.left,
                    "resting": done.resting,
                }
            )
            return
        state = "is engaged" if done.is_new else "was engaged already"
        self._lines(
            [
                f"The kill switch {done.switch.pk} ({level} {target}".rstrip() + f") {state}.",
                f"On the wire at that moment: {done.in_flight}; not answered yet: {done.left}.",
                f"Open at the exchange, and left so: {done.resting}.",
            ]
        )

    def _release(self, *, level: str, target: str, emergency: str, **options: Any) -> None:
        switch = engaged().filter(level=level, **_target(level, target)).first()
        if switch is None:
            raise CommandError(f"No kill switch is engaged at {level} {target}.", returncode=1)
        try:
            kill.release(switch_id=switch.pk, by=None, emergency=emergency, now=timezone.now())
        except kill.KillRefused as refusal:
            text = "Two people release this switch, in the back office. Alone: --emergency REASON."
            raise CommandError(text, returncode=1) from refusal
        if options["json"]:
            self._print({"switch": switch.pk, "released": True})
        else:
            self._lines(
                [f"The kill switch {switch.pk} is released. Closes that waited go out now."]
            )

    # --- status

    def _status(self, **options: Any) -> None:
        now = overview(now=timezone.now())
        if options["json"]:
            self._print(asdict(now))
        else:
            self._lines(
                [
                    f"open legs            {_counts(now.open_legs)}",
                    f"oldest waiting       {_waiting(now.oldest_waiting_seconds, now.oldest_waiting_leg)}",
                    f"legs for a person    {now.legs_in_attention}",
                    f"orders for a person  {now.master_orders_in_attention} of masters",
                    f"accounts             {now.accounts_resting} rested, {now.accounts_paused} paused",
                    f"subscriptions        {_counts(now.subscriptions)}",
                    f"kill switches        {len(now.switches) or 'none engaged'}",
                    *(f"  {switch}" for switch in now.switches),
                ]
            )
        if now.needs_a_person:
            raise CommandError("Something needs a person: see the back office.", returncode=1)

    def _print(self, value: object) -> None:
        self.stdout.write(json.dumps(value, ensure_ascii=False, default=str))

    def _lines(self, lines: Iterator[str] | list[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _target(level: str, target: str) -> dict[str, Any]:
    """What the level is about, as the service takes it."""
    if level == KillSwitch.Level.PLATFORM:
        if target:
            raise CommandError("The level platform takes no target.", returncode=2)
        return {}
    if not target:
        raise CommandError(f"Name the {level}.", returncode=2)
    if level == KillSwitch.Level.EXCHANGE:
        return {"exchange": target}
    try:
        pk = uuid.UUID(target)
    except ValueError as error:
        raise CommandError(f"{target} is not an id.", returncode=2) from error
    row: Strategy | Subscription | None
    if level == KillSwitch.Level.STRATEGY:
        row = Strategy.objects.filter(pk=pk).first()
    else:
        row = Subscription.objects.select_related("strategy").filter(pk=pk).first()
    if row is None:
        raise CommandError(f"There is no {level} {pk}.", returncode=1)
    return {level: row}


def _title(signal: Signal) -> str:
    return (
        f"Signal {signal.number} of “{signal.strategy.name}”, {signal.at:%Y-%m-%d %H:%M:%S} UTC: "
        f"{headline(signal)}"
    )


def _leg_lines(answer: LegAnswer) -> Iterator[str]:
    yield f"Copy {answer.leg.pk}: {answer.outcome}"
    if answer.why:
        yield f"Why: {answer.why}" + (f" ({answer.leg.reason})" if answer.leg.reason else "")
    for one in answer.quantities:
        value = "–" if one.value is None else quantity(one.value)
        yield f"  {one.label:<16}{value:>20}  {one.note}".rstrip()
    yield f"Published {answer.published_after_ms} ms after the master's trade" + (
        f", accepted by the exchange {answer.accepted_after_ms} ms later."
        if answer.accepted_after_ms is not None
        else "; the exchange has accepted nothing."
    )
    if answer.average_price is not None and answer.slippage_bps is not None:
        price, told = rounded(answer.average_price, 8), _slippage(answer.slippage_bps)
        yield f"Price {price}, {told} than the signal's {quantity(answer.leg.signal.price)}."


def _slippage(bps: Decimal) -> str:
    return f"{abs(bps)} bps {'worse' if bps > 0 else 'better'}" if bps else "no worse and no better"


def _proof_line(pk: str, told: dict[str, Any]) -> str:
    if "error" in told:
        return f"{pk}  not compared: {told['message']}"
    booked = f", {told['booked']} trades by hand booked" if told["booked"] else ""
    if not told["differences"]:
        return f"{pk}  agrees in {told['assets']} assets{booked}"
    listed = ", ".join(f"{value} {asset}" for asset, value in told["differences"].items())
    return f"{pk}  differs (exchange − ledger): {listed}{booked}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"


def _waiting(seconds: float | None, leg: str | None) -> str:
    return "none" if seconds is None else f"{seconds:.1f} s, leg {leg}"

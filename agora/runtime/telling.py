"""What the demo says: the greeting, and what became of a copied order."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def greeting(
    *,
    site: str,
    password: str,
    accounts: Mapping[str, str],
    copying: Mapping[str, Any] | None,
    data: Path,
) -> str:
    """Where everything is and what can be tried."""
    people = {"Buyer": accounts["buyer"], "Officer": accounts["officer"]}
    if copying is not None:
        people |= {"Master": copying["master"], "Follower": copying["follower"]}
    lines = [
        "",
        f"  Agora runs.   {site}",
        "",
        *(f"  {role:<10} {email}" for role, email in people.items()),
        f"  Password   {password}   (the same for all of them)",
        "",
        "  Buy a share",
        f"    {site}/account/signup/   sign up, onboard, buy 0.5 AAPL and watch it minted",
        f"    {site}/buy/              the same as the buyer above",
        f"    {site}/admin/            orders, custody, mints and the audit trail as the officer",
        "",
        *(_copying(site, copying) if copying is not None else ()),
        f"  {'API':<10} {site}/api/docs/   with a token of {site}/account/tokens/",
        f"  {'Check':<10} make doctor   in another terminal: is everything as it should be?",
        "",
        f"  Data, secrets and logs are in {data}. Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _copying(site: str, copying: Mapping[str, Any]) -> Iterator[str]:
    """As somebody who follows, then as a master; and keys to do it with."""
    desk = f"{site}/copy/strategies/{copying['strategy']}/desk/"
    yield "  Copy trading"
    yield f"    {site}/copy/            the marketplace; as the buyer, add a key below and subscribe"
    yield f"    {desk}"
    yield "        as the master: trade, and see 20 followers copy it"
    yield f"    {site}/copy/trades/     as the follower: trades, ledger, and why something was not copied"
    yield ""
    yield "  Exchange accounts that nobody has entered yet, of the sandbox, with 10,000 USDT each:"
    for purpose, key in zip(
        ("to follow with", "to publish with"), copying["spare_keys"], strict=True
    ):
        yield f"    {purpose:<16} API key  {key['api_key']}"
        yield f"    {'':<16} secret   {key['secret_key']}"
    yield ""


def copies(told: Mapping[str, Any]) -> Iterator[str]:
    """One line for each follower, then the sum."""
    rows = told["copies"]
    for row in rows:
        mark, what = ("✓", _bought(row)) if row["is_copied"] else ("–", "not copied")
        delay = "" if row["accepted_after_ms"] is None else f"{row['accepted_after_ms']} ms"
        yield f"  {mark} {row['follower']:<13} {what:<32} {delay:>8}  {row['why']}".rstrip()
    copied = sum(row["is_copied"] for row in rows)
    delays = [row["accepted_after_ms"] for row in rows if row["accepted_after_ms"] is not None]
    when = f"; accepted {min(delays)} to {max(delays)} ms after the signal" if delays else ""
    yield f"  Copied {copied}, not copied {len(rows) - copied}{when}."


def _bought(row: Mapping[str, Any]) -> str:
    return f"{row['filled']} {row['base']} at {row['price']} USDT"

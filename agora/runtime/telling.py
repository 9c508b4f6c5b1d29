"""What the demo says: the greeting, and what became of a copied order."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def greeting(
    *,
    site: str,
    password: str,
    accounts: Mapping[str, str],
    second_factor: Mapping[str, Any],
    copying: Mapping[str, Any] | None,
    data: Path,
) -> str:
    """Where everything is and what can be tried."""
    people = {"Buyer": accounts["buyer"]}
    if copying is not None:
        people |= {"Master": copying["master"], "Follower": copying["follower"]}
    people |= {
        "Officer": accounts["officer"],
        "Officer 2": accounts["second_officer"],
        "Auditor": accounts["auditor"],
    }
    lines = [
        "",
        f"  Agora runs.   {site}",
        "",
        *(f"  {role:<10} {email}" for role, email in people.items()),
        f"  Password   {password}   (the same for all of them)",
        "",
        *_second_factor(second_factor),
        "",
        "  Buy a share",
        f"    {site}/account/signup/       sign up, onboard, buy 0.5 AAPL and watch it minted",
        f"    {site}/buy/                  the same as the buyer above",
        f"    {site}/admin/                orders, custody, mints and the audit trail as the officer",
        "",
        *(_copying(site, copying) if copying is not None else ()),
        "  Further",
        f"    {site}/api/docs/             the API, with a token of {site}/account/tokens/",
        f"    {'make doctor':<{len(site) + 22}} in another terminal: is everything as it should be?",
        "",
        f"  Data, secrets and logs are in {data}. Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _second_factor(told: Mapping[str, Any]) -> Iterator[str]:
    """Officers and auditors sign in with a code as well."""
    key, codes = told["key"], told["codes"]
    yield "  Officers and auditor enter a code after the password. Demo data, the same for all three:"
    yield f"    for an authenticator app   key {key}"
    for line in range(0, len(codes), 5):
        lead = "or one of these, once each" if line == 0 else ""
        yield f"    {lead:<26} {'  '.join(codes[line : line + 5])}"


def _copying(site: str, copying: Mapping[str, Any]) -> Iterator[str]:
    """As somebody who follows, then as a master; and keys to do it with."""
    yield "  Copy trading"
    yield f"    {site}/copy/                 as the buyer: add a key below, choose a strategy, copy it"
    yield f"    {site}/copy/subscriptions/   as the follower: what was copied, what not, and why"
    yield f"    {site}/copy/strategies/{copying['strategy']}/desk/"
    yield f"    {'':<{len(site)}}                       as the master: trade, and see 20 followers copy it"
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
    yield ""
    yield f"  Copied {copied}, not copied {len(rows) - copied}{_when(delays)}."


def _when(delays: list[int]) -> str:
    if not delays:
        return ""
    first, last = min(delays), max(delays)
    span = f"{first} ms" if first == last else f"{first} to {last} ms"
    return f"; accepted at the exchange {span} after the signal"


def _bought(row: Mapping[str, Any]) -> str:
    return f"{row['filled']} {row['base']} at {row['price']} USDT"


def beginning(explained: str) -> Iterator[str]:
    """The answer of `copy explain` without its list of all copies, which stands above already."""
    for line in explained.partition("\nEach,")[0].splitlines():
        yield f"  │ {line}".rstrip()

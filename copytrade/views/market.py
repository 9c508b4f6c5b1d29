"""The marketplace's page (MKT-1)."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from agora.lib import formats
from copytrade.forms.market import MarketForm
from copytrade.models import Strategy, TrackRecord
from copytrade.selectors import market
from copytrade.selectors.market import Search

_PAIRS_SHOWN = 3
_PLACEHOLDER = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Row:
    """A strategy as the list shows it. Texts only: components inside rows would be dear."""

    url: str
    name: str
    about: str
    change: str
    tone: str
    profit: str
    drawdown: str
    sharpe: str
    places: str
    full: bool
    copied: str
    smallest: str
    demo: bool


@login_required
@require_safe
def marketplace(request: HttpRequest) -> HttpResponse:
    """Listed strategies, searched, filtered and sorted; everything stands in the address."""
    form = MarketForm({"sort": Search.sort, "period": Search.period, **request.GET.dict()})
    if not form.is_valid():
        context = {"form": form, "rows": [], "found": "", "search": Search()}
        return render(request, "copytrade/market.html", context, status=422)
    search = form.search()
    try:
        page = market.page(search, cursor=request.GET.get("cursor", ""))
    except market.CursorInvalid:  # of another search, such as an old bookmark: begin at the top
        page = market.page(search)
    context = {
        "form": form,
        "search": search,
        "rows": rows_of(page.records),
        "found": _found(search),
        "next_url": _page_url(request, page.next),
        "previous_url": _page_url(request, page.previous),
        "filtered": search != Search(sort=search.sort, period=search.period),
    }
    return render(request, "copytrade/market.html", context)


def rows_of(records: list[TrackRecord]) -> list[Row]:
    """What the list shows, every figure written out in the reader's language."""
    styles = {value: str(label) for value, label in Strategy.Style.choices}
    # One reversal; the ids are put in by themselves, which is many times as fast as reversing each.
    before, after = reverse("strategy", args=[_PLACEHOLDER]).split(_PLACEHOLDER)
    return [_row(r, url=f"{before}{r.strategy_id}{after}", styles=styles) for r in records]


def _row(record: TrackRecord, *, url: str, styles: dict[str, str]) -> Row:
    strategy = record.strategy
    pairs = ", ".join(s.partition("/")[0] for s in strategy.symbols[:_PAIRS_SHOWN])
    more = len(strategy.symbols) - _PAIRS_SHOWN
    return Row(
        url=url,
        name=strategy.name,
        about=f"{styles[strategy.style]} · {pairs}{f' +{more}' if more > 0 else ''}",
        change=signed_percent(record.roi),
        tone=tone_of(record.roi),
        profit=formats.rounded(record.pnl),
        drawdown=formats.percent(record.max_drawdown),
        sharpe=formats.rounded(record.sharpe),
        places=f"{strategy.copiers} / {strategy.max_followers}",
        full=strategy.copiers >= strategy.max_followers,
        copied=formats.rounded(strategy.aum, 0),
        smallest=formats.rounded(strategy.min_equity, 0),
        demo=strategy.is_demo,
    )


def signed_percent(value: object) -> str:
    """A return with its sign, also when it is a gain; none for one that rounds to nothing."""
    text = formats.percent(value)
    unsigned = text.startswith(("-", formats.DASH)) or text == formats.percent(0)
    return text if unsigned else f"+{text}"


def tone_of(value: object) -> str:
    """The tone of a gain or a loss; the sign always says the same."""
    sign = signed_percent(value)[0]
    return {"-": "tone-error", "+": "tone-success"}.get(sign, "")


def _found(search: Search) -> str:
    number = market.count(search)
    if number > market.COUNTED:
        return _("More than %(number)s strategies") % {"number": formats.rounded(market.COUNTED, 0)}
    text = ngettext("%(number)s strategy", "%(number)s strategies", number)
    return text % {"number": formats.rounded(number, 0)}


def _page_url(request: HttpRequest, cursor: str | None) -> str:
    if cursor is None:
        return ""
    query = request.GET.copy()
    query["cursor"] = cursor
    return f"?{query.urlencode()}"

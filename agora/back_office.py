"""How the officers' admin looks and what its menu lists: django-unfold's settings."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_OFFICE_PAGES: list[tuple[Promise, list[tuple[Any, ...]]]] = [
    (_("Work"), [
        (_("Orders"), "shopping_cart", "admin:trading_order_changelist"),
        (_("Custody records"), "lock", "admin:custody_custodyrecord_changelist"),
        (_("Mint transactions"), "token", "admin:tokens_minttx_changelist"),
    ]),
    (_("Compliance"), [
        (
            _("Decisions by two people"), "rule", "admin:compliance_proposal_changelist",
            "compliance.admin.proposals.waiting_count",
        ),
        (
            _("Cases"), "inbox", "admin:kyc_case_changelist",
            "kyc.admin.case_list.waiting_count",
        ),
        (
            _("Matches on lists"), "person_search", "admin:kyc_screeningmatch_changelist",
            "kyc.admin.screening.waiting_count",
        ),
        (_("Sanctions and PEP lists"), "playlist_add_check", "admin:kyc_screeninglist_changelist"),
        (_("Screenings"), "manage_search", "admin:kyc_screeningrun_changelist"),
        (_("Proof of reserve"), "balance", "admin:compliance_reservesnapshot_changelist"),
        (_("Audit trail"), "history", "admin:compliance_auditrow_changelist"),
        (_("Anchors"), "anchor", "admin:compliance_auditanchor_changelist"),
        (_("Retention"), "auto_delete", "admin:compliance_retentionrule_changelist"),
        (_("Copies of data"), "folder_zip", "admin:compliance_dataexport_changelist"),
        (_("Erasures"), "person_remove", "admin:compliance_erasurerequest_changelist"),
        (_("Documents"), "id_card", "admin:kyc_document_changelist"),
        (_("Views of documents"), "visibility", "admin:kyc_documentview_changelist"),
        (_("Applications"), "badge", "admin:kyc_application_changelist"),
        (
            _("Corrections"), "edit_note", "admin:kyc_correction_changelist",
            "kyc.admin.corrections.waiting_count",
        ),
        (_("Daily limits"), "speed", "admin:kyc_dailylimit_changelist"),
        (_("Tiers"), "layers", "admin:kyc_tier_changelist"),
        (_("Contract audits"), "verified", "admin:tokens_attestation_changelist"),
    ]),
    (_("Copy trading"), [
        (_("Strategies"), "trending_up", "admin:copytrade_strategy_changelist"),
        (_("Unit values"), "show_chart", "admin:copytrade_navpoint_changelist"),
        (_("Subscriptions"), "content_copy", "admin:copytrade_subscription_changelist"),
        (_("Exchange accounts"), "vpn_key", "admin:copytrade_exchangeaccount_changelist"),
        (_("Signals"), "campaign", "admin:copytrade_signal_changelist"),
        (_("Copied orders"), "call_split", "admin:copytrade_copyorder_changelist"),
        (_("Masters' orders"), "person_play", "admin:copytrade_masterorder_changelist"),
        (_("Trades"), "swap_horiz", "admin:copytrade_fill_changelist"),
        (_("Ledger"), "menu_book", "admin:copytrade_ledgerentry_changelist"),
        (_("Ledger comparisons"), "fact_check", "admin:copytrade_ledgerproof_changelist"),
        (_("Risk limits"), "speed", "admin:copytrade_risklimits_changelist"),
        (_("Kill switches"), "dangerous", "admin:copytrade_killswitch_changelist"),
    ]),
    (_("People"), [
        (_("Users"), "group", "admin:accounts_user_changelist"),
        (_("Wallets"), "account_balance_wallet", "admin:accounts_wallet_changelist"),
        (_("Wallet changes"), "swap_horiz", "admin:accounts_walletchange_changelist"),
        (_("Wallet proofs"), "signature", "admin:accounts_walletproof_changelist"),
        (_("API tokens"), "key", "admin:accounts_apitoken_changelist"),
        (_("Uses of API tokens"), "history", "admin:accounts_tokenuse_changelist"),
        (_("Address book"), "contacts", "admin:accounts_addressentry_changelist"),
        (_("Notices"), "notifications", "admin:accounts_notice_changelist"),
    ]),
    (_("System"), [
        (_("Periodic tasks"), "schedule", "admin:django_celery_beat_periodictask_changelist"),
    ]),
]  # fmt: skip


def _entry(
    name: "str | Promise", icon: str, view: str, badge: str | None = None
) -> dict[str, object]:
    """A line of the menu, for those who may open its page; `badge` is the path of what counts for it."""
    label, _underscore, model = (
        view.removeprefix("admin:").removesuffix("_changelist").partition("_")
    )
    entry: dict[str, object] = {
        "title": name,
        "icon": icon,
        "link": reverse_lazy(view),
        "permission": lambda request: request.user.has_perm(f"{label}.view_{model}"),
    }
    return {**entry, "badge": badge} if badge else entry


UNFOLD = {
    "SITE_TITLE": _("Agora back office"),
    "SITE_HEADER": _("Agora back office"),
    "SITE_SUBHEADER": _("All times are UTC"),
    "SITE_SYMBOL": "account_balance",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("logo.svg")},
    ],
    "STYLES": [lambda _request: static("back_office.css")],
    "SCRIPTS": [lambda _request: static("back_office.js")],
    "SHOW_HISTORY": False,
    "DASHBOARD_CALLBACK": "agora.overview.show",
    "ENVIRONMENT": "agora.overview.environment",
    "COLORS": {
        "primary": {
            "50": "#eff4ff", "100": "#dbe6fe", "200": "#bfd3fe", "300": "#93b4fd", "400": "#6090fa",
            "500": "#3b6ff6", "600": "#1d4ed8", "700": "#1e40af", "800": "#1e3a8a", "900": "#172b5f",
            "950": "#101c3d",
        },
    },
    "SIDEBAR": {
        "navigation": [
            {
                "title": title,
                "separator": True,
                "items": [_entry(*page) for page in pages],
            }
            for title, pages in _OFFICE_PAGES
        ],
    },
}  # fmt: skip

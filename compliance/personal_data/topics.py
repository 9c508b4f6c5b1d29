"""Everything that Agora holds about a person: which rows of which table, and what is left out, why.

A test goes through all models: one that is neither exported nor left out with a reason fails it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.db import models
from django.db.models import Q

from accounts.models import (
    AddressEntry,
    ApiToken,
    Notice,
    TokenUse,
    User,
    Wallet,
    WalletChange,
    WalletProof,
)
from agora.lib.crypto import Shredded
from agora.lib.models import IdempotencyKey
from compliance.models import AuditRow, DataExport, ErasureRequest, LiabilityNonce, Proposal
from compliance.ownership import nonces_of
from copytrade.models import (
    AccountWatch,
    CopyOrder,
    CopyPosition,
    ExchangeAccount,
    Fill,
    KillSwitch,
    LedgerEntry,
    LedgerProof,
    MasterOrder,
    MasterPosition,
    NavPoint,
    RiskDay,
    RiskLimits,
    Signal,
    Strategy,
    Subscription,
    TrackRecord,
)
from custody.models import CustodyRecord
from kyc.cases import text_of
from kyc.models import (
    UNASKED,
    Application,
    Case,
    CaseEvent,
    Consent,
    Correction,
    DailyLimit,
    Document,
    DocumentPage,
    DocumentView,
)
from kyc.states import State
from tokens.models import MintAttempt, MintTx
from trading.models import Order, Repayment

Rows = Callable[[UUID], Q]
Extra = Callable[[Any], object]


@dataclass(frozen=True)
class Topic:
    """One file of an export: the rows of `model` that are the person's, with all their columns.

    `omit` names columns that hold another's data or a secret; binary columns and those of the work
    queue are left out anyhow. `extra` adds what is not a column: name and value of a row.
    """

    name: str
    about: str
    model: type[models.Model]
    rows: Rows
    omit: frozenset[str] = frozenset()
    extra: Mapping[str, Extra] = field(default_factory=dict)


def _by(path: str) -> Rows:
    return lambda user_id: Q(**{path: user_id})


def _or_erased(read: Extra) -> Extra:
    """What is read of a row; None once the person's key was destroyed."""

    def value(row: Any) -> object:
        try:
            return read(row)
        except Shredded:
            return None

    return value


def _orders(field_name: str) -> Rows:
    """Records of the person's orders, which those point to."""
    return lambda user_id: Q(
        pk__in=Order.objects.filter(user_id=user_id)
        .exclude(**{field_name: None})
        .values(field_name)
    )


def _state_told(case: Case) -> str:
    """How far a review is, as the person's own page tells it."""
    waits = case.state == State.INFO_REQUESTED
    return case.state if waits or not case.is_open else "IN_REVIEW"


# Of a review. Its times may be older than the application that joined it: they would tell of a match.
_OF_OFFICERS = frozenset({"cause", "outcome", "group", "assigned_to", "locked_by", "lock_until"})
_OF_THE_QUEUE = frozenset({"state", "version", "opened_at", "queued_at", "due_at", "first_look_at"})


def _own_trail(user_id: UUID) -> Q:
    """What the person did, and what was done to their account and application.

    Three look-ups by an index each: one condition with OR would read the whole trail.
    """
    found = AuditRow.objects.order_by().values("pk")
    own = found.filter(actor=f"user:{user_id}")
    about = found.filter(object_type="user", object_id=str(user_id))
    # What is merely proposed about an officer is no news for them (four_eyes.readable_by).
    about = about.exclude(~Q(action="proposal.approved"), action__startswith="proposal.")
    named = found.filter(evidence__has_key="user", evidence__user=str(user_id))
    return Q(pk__in=own.union(about, named))


TOPICS = (
    Topic("account", "The account itself.", User, _by("pk"), omit=frozenset({"password"})),
    Topic("email_addresses", "E-mail addresses.", EmailAddress, _by("user_id")),
    Topic(
        "sign_in_providers",
        "Accounts elsewhere that you sign in by.",
        SocialAccount,
        _by("user_id"),
    ),
    Topic(
        "second_factors",
        "Authenticator app, passkeys and recovery codes; their secrets are left out.",
        Authenticator,
        _by("user_id"),
        omit=frozenset({"data"}),
    ),
    Topic(
        "sessions",
        "Browsers that are signed in.",
        UserSession,
        _by("user_id"),
        omit=frozenset({"session_key"}),
    ),
    Topic("api_tokens", "API tokens; their secrets are not stored.", ApiToken, _by("user_id")),
    Topic("api_token_uses", "Uses of API tokens.", TokenUse, _by("token__user_id")),
    Topic("wallet", "The wallet that tokens are minted to.", Wallet, _by("user_id")),
    Topic("wallet_proofs", "Proofs that a wallet is yours.", WalletProof, _by("user_id")),
    Topic("wallet_changes", "Changes of the wallet.", WalletChange, _by("user_id")),
    Topic("address_book", "Your address book.", AddressEntry, _by("user_id")),
    Topic(
        "notices",
        "What you were told.",
        Notice,
        _by("user_id"),
        extra={"title": lambda notice: notice.title, "text": lambda notice: notice.text},
    ),
    Topic(
        "application",
        "Your application: who you said you are.",
        Application,
        _by("user_id"),
        extra={
            "full_name": _or_erased(lambda row: row.full_name),
            "tax_id": _or_erased(lambda row: row.tax_id),
        },
    ),
    Topic(
        "corrections",
        "What you asked to have put right.",
        Correction,
        _by("application__user_id"),
        extra={
            name: _or_erased(attrgetter(name))
            for name in ("full_name", "tax_id", "reason", "answer")
        },
    ),
    Topic("daily_limit", "What you may order a day.", DailyLimit, _by("application__user_id")),
    Topic(
        "consents",
        "What you agreed to, with the text.",
        Consent,
        _by("user_id"),
        extra={
            "document": lambda row: row.text.document,
            "version": lambda row: row.text.version,
            "text": lambda row: row.text.text,
        },
    ),
    Topic(
        "documents",
        "Documents that you have shown; their pages are in the folder documents.",
        Document,
        _by("application__user_id"),
        extra={"note": _or_erased(lambda row: row.note)},
    ),
    Topic(
        "document_pages",
        "The pages of these documents.",
        DocumentPage,
        _by("document__application__user_id"),
        omit=frozenset({"storage_key"}),
    ),
    Topic(
        "document_views",
        "Who looked at them: you, or an officer, when and why.",
        DocumentView,
        _by("document__application__user_id"),
    ),
    # What a list says of somebody is not told to them: neither cause nor outcome, nor such a review.
    Topic(
        "cases",
        "Reviews of your application.",
        Case,
        lambda user_id: Q(application__user_id=user_id) & ~Q(cause__in=UNASKED),
        omit=_OF_OFFICERS | _OF_THE_QUEUE,
        extra={"state": _state_told},
    ),
    Topic(
        "case_messages",
        "What was written to you in these reviews, and by you.",
        CaseEvent,
        # A question, and the answer to it, are all that a person ever sees of a review by officers.
        lambda user_id: (
            Q(case__application__user_id=user_id, for_person=True)
            & ~Q(case__cause__in=UNASKED, kind=CaseEvent.Kind.REJECTED)
        ),
        omit=frozenset({"facts"}),
        extra={"text": _or_erased(text_of)},
    ),
    Topic("orders", "Your orders.", Order, _by("user_id")),
    Topic("repayments", "What you were paid back for orders.", Repayment, _by("order__user_id")),
    Topic("custody_records", "Custody of their shares.", CustodyRecord, _orders("custody_id")),
    Topic("mints", "Mints of their tokens.", MintTx, _orders("mint_id")),
    Topic(
        "mint_attempts",
        "Transactions sent for these mints.",
        MintAttempt,
        lambda user_id: Q(
            mint__in=Order.objects.filter(user_id=user_id).exclude(mint=None).values("mint_id")
        ),
    ),
    Topic(
        "exchange_accounts",
        "Your exchange accounts; keys are left out, Agora gives them to nobody.",
        ExchangeAccount,
        _by("user_id"),
        omit=frozenset({"key_index", "owner_index"}),
    ),
    Topic("trades", "Trades on these accounts.", Fill, _by("account__user_id")),
    Topic("ledger", "The ledger of these accounts.", LedgerEntry, _by("account__user_id")),
    Topic(
        "ledger_comparisons",
        "The ledger compared with the exchange.",
        LedgerProof,
        _by("account__user_id"),
    ),
    Topic("strategies", "Strategies that you publish.", Strategy, _by("master_id")),
    Topic("strategy_records", "Their track records.", TrackRecord, _by("strategy__master_id")),
    Topic("strategy_values", "Their values by day.", NavPoint, _by("strategy__master_id")),
    Topic("strategy_positions", "What they hold.", MasterPosition, _by("strategy__master_id")),
    Topic(
        "strategy_orders", "Orders of these strategies.", MasterOrder, _by("strategy__master_id")
    ),
    Topic(
        "strategy_watch", "What was last seen of them.", AccountWatch, _by("strategy__master_id")
    ),
    Topic(
        "signals",
        "Signals that your strategies gave, or that were given to you alone.",
        Signal,
        lambda user_id: (
            Q(strategy__master_id=user_id, subscription=None) | Q(subscription__follower_id=user_id)
        ),
    ),
    Topic("subscriptions", "Strategies that you copy.", Subscription, _by("follower_id")),
    Topic("copied_orders", "What was copied to you.", CopyOrder, _by("subscription__follower_id")),
    Topic(
        "copied_positions", "What you hold by it.", CopyPosition, _by("subscription__follower_id")
    ),
    Topic(
        "risk_limits",
        "Your limits.",
        RiskLimits,
        lambda user_id: Q(user_id=user_id) | Q(subscription__follower_id=user_id),
    ),
    Topic("risk_days", "What they counted, by day.", RiskDay, _by("subscription__follower_id")),
    Topic(
        "kill_switches",
        "Stops of your subscriptions and strategies.",
        KillSwitch,
        lambda user_id: Q(subscription__follower_id=user_id) | Q(strategy__master_id=user_id),
    ),
    Topic("data_exports", "Copies of your data, such as this one.", DataExport, _by("user_id")),
    Topic("erasure_requests", "Requests to erase your data.", ErasureRequest, _by("user_id")),
    Topic(
        "reserve_proofs",
        "The numbers that hide your account in the proofs of reserve.",
        LiabilityNonce,
        nonces_of,
        extra={
            "account": lambda row: f"0x{bytes(row.account).hex()}",
            "nonce": lambda row: bytes(row.nonce).hex(),
        },
    ),
    Topic(
        "decisions",
        "For officers: what you proposed or decided; what was written with it may name people.",
        Proposal,
        lambda user_id: Q(maker_id=user_id) | Q(checker_id=user_id),
        omit=frozenset({"reason", "note"}),
    ),
    Topic(
        "admin_actions", "For officers: what you did in the back office.", LogEntry, _by("user_id")
    ),
    Topic(
        "repeated_requests",
        "Answers kept for a while, in case you send a request again.",
        IdempotencyKey,
        _by("client"),
        omit=frozenset({"request_hash"}),
    ),
    Topic("audit_trail", "What happened to your account, and what you did.", AuditRow, _own_trail),
)

# Tables that hold nothing of a person to be handed over, and why.
LEFT_OUT = {
    "account.EmailConfirmation": "A link in an e-mail that is on its way; whoever has it confirms.",
    "accounts.PersonKey": "The key that personal data is sealed under; it tells nothing itself.",
    "compliance.AuditAnchor": "Heads of the audit trail; no row of a person.",
    "compliance.AuditSeal": "Places of rows in the chain; the rows are exported.",
    "compliance.ChainCheckpoint": "How far the chain has been read.",
    "compliance.ChainMint": "The public chain, as anybody reads it.",
    "compliance.ChainTransfer": "The public chain, as anybody reads it.",
    "compliance.DataExportPart": "The bytes of the export itself.",
    "compliance.LiabilityChunk": "Hashes of all holders together.",
    "compliance.LiabilityLeaf": "Places in the tree; each holder has a proof of their own.",
    "compliance.LiabilityTree": "Totals of all holders.",
    "compliance.ReserveRow": "Differences of reserves by order; the orders are exported.",
    "compliance.ReserveSignature": "Signatures of officers; exported with their decisions.",
    "compliance.ReserveSnapshot": "Totals of all holders.",
    "compliance.ReserveSource": "Totals of all holders.",
    "compliance.RetentionRule": "How long records are kept, for everybody alike.",
    "copytrade.DailyPrice": "Prices of the exchange.",
    "copytrade.MarkPrice": "Prices of the exchange.",
    "kyc.CaseCheck": "Internal steps of a review: telling of a suspicion is forbidden by law.",
    "kyc.Screening": "When lists were looked up: telling of a suspicion is forbidden by law.",
    "kyc.ScreeningEntry": "Public lists of sanctions and of political offices.",
    "kyc.ScreeningList": "Public lists of sanctions and of political offices.",
    "kyc.ScreeningMatch": "Likenesses with lists: telling of a suspicion is forbidden by law.",
    "kyc.ScreeningRun": "When everybody was looked up; no row of a person.",
    "kyc.ConsentText": "Texts; those that the person agreed to are exported with the consents.",
    "kyc.Tier": "Limits for everybody alike.",
    "socialaccount.SocialToken": "Access of Agora to an account elsewhere: a secret.",
    "tokens.Attestation": "Audits of the contract.",
    "tokens.AttestationWithdrawal": "Audits of the contract that count no more.",
    "tokens.FreeNonce": "Numbering of Agora's own transactions.",
    "tokens.NonceCounter": "Numbering of Agora's own transactions.",
    "trading.Sale": "Sales of Agora's own shares.",
    "trading.SaleWithdrawal": "Sales of Agora's own shares that were recorded wrongly.",
}

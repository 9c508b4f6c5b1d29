"""Wallets in the admin: who proved theirs and how, every nonce, every change (RAT-012, AUD-1)."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from accounts import wallets
from accounts.models import Wallet, WalletChange, WalletProof
from agora.lib.admin import ReadOnlyAdmin, answer_dialog, dialog, trail_link, trail_to

_VERIFIED = {"verified": "success", "unverified": "warning", "disputed": "danger"}


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    list_display = ["address", "user", "state", "method", "verified_at", "pending", "created_at"]
    list_filter = [
        ("verified_at", admin.EmptyFieldListFilter),
        ("disputed_at", admin.EmptyFieldListFilter),
        "method",
        "created_at",
    ]
    list_select_related = ["user"]
    search_fields = ["address", "user__email", "=user__id"]
    fields = [
        "user", "address", "state", "method", "verified_at", "disputed_at", "pending", "created_at",
        "trail",
    ]  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Wallet]:
        waiting = WalletChange.objects.filter(state=WalletChange.State.PENDING)
        prefetch = Prefetch("user__wallet_changes", queryset=waiting, to_attr="waiting_changes")
        found: QuerySet[Wallet] = super().get_queryset(request)
        return found.prefetch_related(prefetch)

    @display(description=_("state"), ordering="verified_at", label=_VERIFIED)
    def state(self, wallet: Wallet) -> tuple[str, str]:
        return wallet.state, str(wallet.state.label)

    @admin.display(description=_("changes to"))
    def pending(self, wallet: Wallet) -> str:
        waiting: list[WalletChange] = getattr(wallet.user, "waiting_changes", [])
        return waiting[0].address if waiting else "–"

    @admin.display(description=_("audit trail"))
    def trail(self, wallet: Wallet) -> str:
        return trail_to("user", wallet.user_id)


@admin.register(WalletProof)
class WalletProofAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "user", "purpose", "address", "shown_outcome", "used_at"]
    list_filter = ["purpose", "outcome", "created_at"]
    list_select_related = ["user"]
    search_fields = ["=id", "address", "=nonce", "user__email"]
    search_help_text = _("Id, address, nonce, e-mail address")
    fields = [
        "id", "user", "purpose", "address", "nonce", "message", "created_at", "expires_at",
        "used_at", "outcome", "reason", "trail",
    ]  # fmt: skip
    readonly_fields = fields

    trail = trail_link("wallet_proof")

    @display(
        description=_("outcome"),
        ordering="outcome",
        label={"proved": "success", "refused": "danger"},
    )
    def shown_outcome(self, proof: WalletProof) -> tuple[str, str]:
        return proof.outcome, proof.get_outcome_display()


@admin.register(WalletChange)
class WalletChangeAdmin(ReadOnlyAdmin):
    list_display = [
        "created_at", "user", "old_address", "address", "method", "shown_state", "effective_at",
    ]  # fmt: skip
    list_filter = ["state", "created_at"]
    list_select_related = ["user"]
    search_fields = ["=id", "address", "old_address", "user__email"]
    search_help_text = _("Id, either address, e-mail address")
    fields = [
        "id", "user", "old_address", "address", "method", "state", "reason", "created_at",
        "effective_at", "ended_at", "trail",
    ]  # fmt: skip
    readonly_fields = fields
    actions_detail = ["cancel"]

    @display(
        description=_("state"),
        ordering="state",
        label={"pending": "warning", "applied": "success", "cancelled": "info"},
    )
    def shown_state(self, change: WalletChange) -> tuple[str, str]:
        return change.state, change.get_state_display()

    @admin.display(description=_("audit trail"))
    def trail(self, change: WalletChange) -> str:
        return trail_to("user", change.user_id)

    def has_cancel_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Who may only look at changes may not cancel them."""
        return request.user.has_perm("accounts.cancel_walletchange")

    @action(
        description=_("Cancel the change"),
        url_path="cancel",
        permissions=["cancel"],
        dialog=dialog(
            _("Cancel the change of this person's wallet"),
            _(
                "Their wallet stays as it is, and they are told. Do this when they say that the change "
                "was not theirs."
            ),
            _("Cancel the change"),
            None,
        ),
    )
    def cancel(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: wallets.cancel_for_person(
                officer=request.user,  # type: ignore[arg-type]
                change_id=UUID(object_id),
                now=timezone.now(),
            ),
            refusal=wallets.WalletRefused,
            done=str(_("The change is cancelled.")),
            back=reverse("admin:accounts_walletchange_change", args=[object_id]),
        )

"""API of a person's wallet: its state, its proof by Sign-In with Ethereum, its change (RAT-012)."""

from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import wallet_proofs, wallets
from accounts.addresses import InvalidAddress
from accounts.authentication import need_scope, own_account
from accounts.models import Method, User, Wallet, WalletChange, WalletProof
from accounts.selectors import pending_change, proof_for, wallet_of
from accounts.siwe import LONGEST_SIGNATURE_BYTES, MalformedSignature
from agora.lib import rest
from agora.lib.problems import Problem, wrong
from tokens import chain

PURPOSES = [(value, value) for value in WalletProof.Purpose.values]
METHODS = [(value, value) for value in (Method.KEY.value, Method.CONTRACT.value)]
STATES = [(value, value) for value in Wallet.State.values]


class ProofRequest(rest.StrictSerializer):
    """Which address is to be proved, and what for."""

    purpose = serializers.ChoiceField(
        choices=PURPOSES,
        default="verify",
        help_text="`verify`: the address of your wallet, or of your first one; `change`: of the wallet "
        "to use from now on.",
    )
    address = rest.Text(max_length=80, help_text="EVM address; mixed case is EIP-55.")


class ProofView(serializers.Serializer[Any]):
    """A message to sign as it stands, with `personal_sign` (EIP-191)."""

    id = serializers.UUIDField()
    purpose = serializers.ChoiceField(choices=PURPOSES)
    address = serializers.CharField()
    chain_id = serializers.IntegerField()
    message = serializers.CharField(help_text="EIP-4361. Lines end in LF; none after the last.")
    expires_at = serializers.DateTimeField()


class SignatureRequest(rest.StrictSerializer):
    """What the wallet answered."""

    signature = rest.Text(
        max_length=2 * LONGEST_SIGNATURE_BYTES + 2,
        help_text="0x and hexadecimal digits: 65 bytes of a key, or what a contract wants.",
    )


class ChangeView(serializers.Serializer[Any]):
    """A proved address that takes the wallet's place."""

    id = serializers.UUIDField()
    address = serializers.CharField()
    method = serializers.ChoiceField(choices=METHODS)
    created_at = serializers.DateTimeField()
    effective_at = serializers.DateTimeField(help_text="Until then orders mint to the wallet.")


class WalletView(serializers.Serializer[Any]):
    """The wallet that new orders mint to, and what is known of who owns it."""

    user_id = serializers.UUIDField()
    address = serializers.CharField()
    state = serializers.ChoiceField(
        choices=STATES,
        help_text="`disputed`: somebody else has proved the address, and nothing can be bought to it "
        "until its owner proves it too or uses another one.",
    )
    verified_at = serializers.DateTimeField(allow_null=True)
    method = serializers.ChoiceField(choices=METHODS, allow_null=True)
    change = ChangeView(allow_null=True)


class _Own(rest.Endpoint):
    """An endpoint below a user's own id; any other id is not found."""

    def owner(self, user_id: UUID) -> User:
        return own_account(self.request, user_id)

    def guard(self, owner: User, *, purpose: str) -> None:
        """Where tokens go is changed by a token that its owner got with a second factor, lately."""
        if purpose == WalletProof.Purpose.CHANGE or wallet_of(owner) is None:
            need_scope(self.request, "security")


class WalletOfUser(_Own):
    """The wallet of the token's own account."""

    scopes: ClassVar = {"GET": "read"}

    @extend_schema(
        operation_id="read_wallet",
        tags=["wallet"],
        responses={200: WalletView},
        summary="Read your wallet's state",
        description="Only one's own: any other user id is 404. Without a wallet: 409 `no_wallet`.",
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        return Response(_wallet_json(self.owner(user_id)))


class WalletProofs(_Own):
    """Messages to sign."""

    http_method_names = ("post",)
    rates: ClassVar = {"POST": "key"}
    scopes: ClassVar = {"POST": "trade"}

    @extend_schema(
        operation_id="start_wallet_proof",
        tags=["wallet"],
        request=ProofRequest,
        responses={201: ProofView},
        examples=[
            OpenApiExample(
                "Prove the wallet that was typed at onboarding",
                value={
                    "purpose": "verify",
                    "address": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                },
                request_only=True,
            )
        ],
        summary="Ask for a message that proves a wallet",
        description="The message holds for ten minutes and is answered once. `change`, and `verify` "
        "of the first wallet, need the scope `security` as well.",
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        owner = self.owner(user_id)
        asked = rest.validated(ProofRequest, request)
        self.guard(owner, purpose=asked["purpose"])
        try:
            proof = wallet_proofs.start_proof(user=owner, **asked, now=timezone.now())
        except InvalidAddress as error:
            raise wrong("address", error.messages[0], code=str(error.code)) from error
        except wallets.WalletRefused as error:
            raise Problem(error.code, detail=error.message) from error
        return Response(
            {
                "id": str(proof.pk),
                "purpose": proof.purpose,
                "address": proof.address,
                "chain_id": settings.CHAIN_ID,
                "message": proof.message,
                "expires_at": rest.moment(proof.expires_at),
            },
            status=HTTPStatus.CREATED,
        )


class WalletProofById(_Own):
    """One message to sign."""

    http_method_names = ("post",)
    rates: ClassVar = {"POST": "key"}
    scopes: ClassVar = {"POST": "trade"}

    @extend_schema(
        operation_id="finish_wallet_proof",
        tags=["wallet"],
        request=SignatureRequest,
        responses={200: WalletView},
        summary="Answer the message by its signature",
        description=(
            "Verifies the wallet, or begins its change, which takes effect at `effective_at`; the scope "
            "`security` is needed for what the message needed it for. Any "
            "signature, right or wrong, uses the message up: 422 `signature_refused`, 409 "
            "`proof_used`, `proof_expired`. A contract wallet is asked by EIP-1271 on the chain of "
            "the message; while the node is away: 503, and the message can still be answered."
        ),
    )
    def post(self, request: Request, user_id: UUID, proof_id: UUID) -> Response:
        owner = self.owner(user_id)
        asked = rest.validated(SignatureRequest, request)
        try:
            self.guard(owner, purpose=proof_for(user=owner, proof_id=proof_id).purpose)
            wallet_proofs.finish_proof(
                user=owner,
                proof_id=proof_id,
                signature=asked["signature"],
                contract=chain.accepts_signature,
                now=timezone.now(),
            )
        except WalletProof.DoesNotExist as error:
            raise Problem("not_found") from error
        except MalformedSignature as error:
            raise wrong("signature", error.message) from error
        except wallets.WalletRefused as error:
            raise Problem(error.code, detail=error.message) from error
        return Response(_wallet_json(owner))


class WalletChangeById(_Own):
    """A change of the wallet that waits."""

    http_method_names = ("delete",)
    rates: ClassVar = {"DELETE": "trade"}
    scopes: ClassVar = {"DELETE": "trade"}

    @extend_schema(
        operation_id="cancel_wallet_change",
        tags=["wallet"],
        request=None,
        responses={200: WalletView},
        summary="Cancel a pending change of the wallet",
    )
    def delete(self, request: Request, user_id: UUID, change_id: UUID) -> Response:
        owner = self.owner(user_id)
        try:
            wallets.cancel_change(user=owner, change_id=change_id, now=timezone.now())
        except WalletChange.DoesNotExist as error:
            raise Problem("not_found") from error
        except wallets.WalletRefused as error:
            raise Problem(error.code, detail=error.message) from error
        return Response(_wallet_json(owner))


def _wallet_json(user: User) -> dict[str, object]:
    wallet = wallet_of(user)
    if wallet is None:
        raise Problem("no_wallet")
    change = pending_change(user)
    return {
        "user_id": str(user.pk),
        "address": wallet.address,
        "state": wallet.state,
        "verified_at": rest.moment(wallet.verified_at),
        "method": wallet.method or None,
        "change": change
        and {
            "id": str(change.pk),
            "address": change.address,
            "method": change.method,
            "created_at": rest.moment(change.created_at),
            "effective_at": rest.moment(change.effective_at),
        },
    }

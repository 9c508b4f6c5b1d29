"""Addresses below /api/: version 1, its OpenAPI document, and the meaning of each problem."""

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts import api as accounts_api
from agora.lib import problems
from agora.lib.openapi import OnceGenerator
from compliance import api as compliance_api
from kyc import api as kyc_api
from tokens import api as tokens_api
from trading import api as trading_api

version_1: list[URLPattern | URLResolver] = [
    path("token/issue", accounts_api.IssueToken.as_view(), name="issue_token"),
    path("token/revoke", accounts_api.RevokeToken.as_view(), name="revoke_token"),
    path("tokens", accounts_api.Tokens.as_view(), name="tokens"),
    path("tokens/<uuid:token_id>/uses", accounts_api.TokenUses.as_view(), name="token_uses"),
    path("addresses", accounts_api.Addresses.as_view(), name="addresses"),
    path("addresses/<uuid:entry_id>", accounts_api.AddressById.as_view(), name="address"),
    path("notices", accounts_api.Notices.as_view(), name="notices"),
    path("notices/read", accounts_api.AllNoticesRead.as_view(), name="notices_read"),
    path("notices/<uuid:notice_id>/read", accounts_api.NoticeRead.as_view(), name="notice_read"),
    path("users/onboard", kyc_api.Onboard.as_view(), name="onboard"),
    path("users/<uuid:user_id>/documents", kyc_api.Documents.as_view(), name="documents"),
    path(
        "users/<uuid:user_id>/documents/<uuid:document_id>",
        kyc_api.DocumentById.as_view(),
        name="document",
    ),
    path("users/<uuid:user_id>/consents", compliance_api.Consents.as_view(), name="consents"),
    path(
        "users/<uuid:user_id>/document-views",
        compliance_api.DocumentLooks.as_view(),
        name="document_looks",
    ),
    path("users/<uuid:user_id>/erasure", compliance_api.Erasure.as_view(), name="erasure"),
    path("users/<uuid:user_id>/corrections", kyc_api.Corrections.as_view(), name="corrections"),
    path(
        "users/<uuid:user_id>/data-export",
        compliance_api.DataExports.as_view(),
        name="data_exports",
    ),
    path("users/<uuid:user_id>/balance", tokens_api.BalanceOfUser.as_view(), name="balance"),
    path("users/<uuid:user_id>/wallet", tokens_api.WalletOfUser.as_view(), name="wallet"),
    path(
        "users/<uuid:user_id>/wallet/proofs",
        tokens_api.WalletProofs.as_view(),
        name="wallet_proofs",
    ),
    path(
        "users/<uuid:user_id>/wallet/proofs/<uuid:proof_id>",
        tokens_api.WalletProofById.as_view(),
        name="wallet_proof",
    ),
    path(
        "users/<uuid:user_id>/wallet/changes/<uuid:change_id>",
        tokens_api.WalletChangeById.as_view(),
        name="wallet_change",
    ),
    path("users/<uuid:user_id>/verification", kyc_api.Verification.as_view(), name="verification"),
    path("quotes/<str:symbol>", trading_api.QuoteOf.as_view(), name="quote"),
    path("orders", trading_api.Orders.as_view(), name="orders"),
    path("orders/<uuid:order_id>", trading_api.OrderById.as_view(), name="order"),
    path("copy/", include("copytrade.api_urls")),
    path("reserves", compliance_api.Reserves.as_view(), name="reserves"),
    path(
        "users/<uuid:user_id>/reserve-proof",
        compliance_api.ReserveProofOfUser.as_view(),
        name="reserve_proof",
    ),
    path("admin/proof-of-reserve", compliance_api.Snapshots.as_view(), name="reserve_snapshots"),
    path(
        "admin/proof-of-reserve/<uuid:snapshot_id>",
        compliance_api.SnapshotById.as_view(),
        name="reserve_snapshot",
    ),
    path(
        "admin/proof-of-reserve/<uuid:snapshot_id>/file",
        compliance_api.SnapshotFile.as_view(),
        name="reserve_snapshot_file",
    ),
    path("admin/audit/export", compliance_api.AuditExport.as_view(), name="audit_export"),
    path("admin/audit", compliance_api.AuditRows.as_view(), name="audit_rows"),
    path("admin/", include("kyc.api_urls")),
    path("admin/proposals", compliance_api.Proposals.as_view(), name="proposals"),
    path(
        "admin/proposals/<uuid:proposal_id>", compliance_api.ProposalById.as_view(), name="proposal"
    ),
    path(
        "admin/proposals/<uuid:proposal_id>/approve",
        compliance_api.ApproveProposal.as_view(),
        name="proposal_approve",
    ),
    path(
        "admin/proposals/<uuid:proposal_id>/refuse",
        compliance_api.RefuseProposal.as_view(),
        name="proposal_refuse",
    ),
    path(
        "admin/proposals/<uuid:proposal_id>/withdraw",
        compliance_api.WithdrawProposal.as_view(),
        name="proposal_withdraw",
    ),
]

urlpatterns = [
    path("v1/", include((version_1, "api"))),
    path(
        "schema/",
        SpectacularAPIView.as_view(generator_class=OnceGenerator),
        name="api_schema",
    ),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api_schema"), name="api_docs"),
    path("problems/<slug:code>", problems.explain, name="api_problem"),
    re_path(r"^(?P<path>.*)$", problems.unknown_path, name="api_unknown"),
]

"""An auditor may read nothing that opens an account or passes for somebody (ASVS 13.2.2)."""

import re

from django.db import connection

from agora import database_roles
from agora.database_roles import AUDITOR

_SOUNDS_SECRET = re.compile(
    r"key|secret|nonce|token|hash|salt|signature|password|encrypted|sealed$|cookie|sha256|raw_"
)
# Why each of them may be read all the same.
_READABLE = {
    "a digest of what is public, or of what the reader may read or get": {
        "compliance_auditanchor.hash",
        "compliance_auditrow.row_hash",
        "compliance_auditseal.hash",
        "compliance_dataexport.sha256",
        "compliance_liabilitytree.root_hash",
        "compliance_reservesignature.content_hash",
        "compliance_reservesnapshot.content_hash",
        "kyc_application.consent_hash",
        "kyc_consenttext.sha256",
        "kyc_document.sha256",
        "kyc_screeninglist.sha256",
        "tokens_attestation.bytecode_sha256",
        "tokens_attestation.report_sha256",
    },
    "public on the chain": {
        "compliance_chaincheckpoint.block_hash",
        "compliance_chainmint.tx_hash",
        "compliance_chaintransfer.tx_hash",
        "compliance_reservesnapshot.block_hash",
        "tokens_freenonce.nonce",
        "tokens_mintattempt.raw_transaction",
        "tokens_mintattempt.tx_hash",
        "tokens_minttx.block_hash",
        "tokens_minttx.nonce",
        "tokens_minttx.tx_hash",
        "tokens_noncecounter.next_nonce",
    },
    "sealed under the key of the person, which the reader may not read": {
        "kyc_application.full_name_encrypted",
        "kyc_application.tax_id_encrypted",
        "kyc_caseevent.text_encrypted",
        "kyc_correction.answer_encrypted",
        "kyc_correction.full_name_encrypted",
        "kyc_correction.reason_encrypted",
        "kyc_correction.tax_id_encrypted",
        "kyc_document.note_encrypted",
    },
    "the name of a row, a file of sealed pages, a queue or a right": {
        "accounts_notice.dedupe_key",
        "accounts_tokenuse.token_id",
        "django_celery_beat_periodictask.routing_key",
        "kyc_documentpage.storage_key",
        "kyc_screeningentry.few_keys",
        "kyc_screeningentry.keys",
        "trading_order.placement_key",
        "copytrade_masterorder.placement_key",
    },
    "says which worker holds a row; only the database takes it": {
        "accounts_notice.lease_token",
        "compliance_dataexport.lease_token",
        "compliance_erasurerequest.lease_token",
        "compliance_reservesnapshot.lease_token",
        "copytrade_copyorder.lease_token",
        "copytrade_masterorder.lease_token",
        "copytrade_strategy.lease_token",
        "copytrade_subscription.lease_token",
        "kyc_screeningrun.lease_token",
        "trading_order.lease_token",
    },
    "says that somebody gave their tokens on the chain up, not which secret": {
        "compliance_erasurerequest.gives_up_tokens",
    },
    "what an auditor looks into: nonces of proofs, which are worth nothing without the wallet": {
        "accounts_walletproof.nonce",
    },
    "what an auditor computes each leaf of the liabilities tree with": {
        "compliance_liabilitynonce.nonce",
    },
}


def test_every_column_that_an_auditor_reads_and_that_sounds_secret_has_its_reason(
    db: None,
) -> None:
    readable = {
        grant.table
        for grant in database_roles.grants(database_roles.tables())
        if grant.role == AUDITOR and grant.privileges
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        )
        found = {
            f"{table}.{column}"
            for table, column in cursor.fetchall()
            if table in readable and _SOUNDS_SECRET.search(column)
        }

    assert sorted(found ^ set().union(*_READABLE.values())) == [], (
        "Add the table to AUDITOR_NEVER, or say here why the column is no secret."
    )

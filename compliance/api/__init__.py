"""API of compliance, for officers and auditors."""

from compliance.api.audit_rows import AuditRows
from compliance.api.personal_data import DataExports
from compliance.api.privacy import Consents, DocumentLooks, Erasure
from compliance.api.proofs import ReserveProofOfUser
from compliance.api.proposals import (
    ApproveProposal,
    ProposalById,
    RefuseProposal,
    WithdrawProposal,
)
from compliance.api.proposing import ProposalsAndMore
from compliance.api.reserves import Reserves, SnapshotById, SnapshotFile, Snapshots
from compliance.api.trail import AuditExport

__all__ = [
    "ApproveProposal",
    "AuditExport",
    "AuditRows",
    "Consents",
    "DataExports",
    "DocumentLooks",
    "Erasure",
    "ProposalById",
    "ProposalsAndMore",
    "RefuseProposal",
    "ReserveProofOfUser",
    "Reserves",
    "SnapshotById",
    "SnapshotFile",
    "Snapshots",
    "WithdrawProposal",
]

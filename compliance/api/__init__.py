"""API of compliance, for officers and auditors."""

from compliance.api.audit_rows import AuditRows
from compliance.api.personal_data import DataExports
from compliance.api.privacy import Consents, DocumentLooks, Erasure
from compliance.api.proofs import ReserveProofOfUser
from compliance.api.proposals import (
    ApproveProposal,
    ProposalById,
    Proposals,
    RefuseProposal,
    WithdrawProposal,
)
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
    "Proposals",
    "RefuseProposal",
    "ReserveProofOfUser",
    "Reserves",
    "SnapshotById",
    "SnapshotFile",
    "Snapshots",
    "WithdrawProposal",
]

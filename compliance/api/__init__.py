"""API of compliance, for officers and auditors."""

from compliance.api.proposals import (
    ApproveProposal,
    ProposalById,
    Proposals,
    RefuseProposal,
    WithdrawProposal,
)

from compliance.api.proofs import ReserveProofOfUser
from compliance.api.reserves import Reserves, SnapshotById, SnapshotFile, Snapshots
from compliance.api.trail import AuditExport
__all__ = [
    "ApproveProposal",
    "ProposalById",
    "AuditExport",
    "DataExports",
    "Proposals",
    "RefuseProposal",
    "WithdrawProposal",
    "ReserveProofOfUser",
    "Reserves",
    "SnapshotById",
    "SnapshotFile",
    "Snapshots",
]

"""API of compliance, for officers and auditors."""

from compliance.api.proposals import (
    ApproveProposal,
    ProposalById,
    Proposals,
    RefuseProposal,
    WithdrawProposal,
)

__all__ = [
    "ApproveProposal",
    "ProposalById",
    "Proposals",
    "RefuseProposal",
    "WithdrawProposal",
]

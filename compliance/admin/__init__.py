"""What officers see of compliance: one module a topic."""

from compliance.admin.proposals import ProposalAdmin
from compliance.admin.reserves import ReserveSnapshotAdmin
from compliance.admin.trail import AuditRowAdmin

__all__ = ["AuditRowAdmin", "ProposalAdmin", "ReserveSnapshotAdmin"]

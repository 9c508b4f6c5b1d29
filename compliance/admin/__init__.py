"""What officers see of compliance: one module a topic."""

from compliance.admin.personal_data import DataExportAdmin, ErasureRequestAdmin
from compliance.admin.proposals import ProposalAdmin
from compliance.admin.reserves import ReserveSnapshotAdmin
from compliance.admin.trail import AuditAnchorAdmin, AuditRowAdmin, RetentionRuleAdmin

__all__ = [
    "AuditAnchorAdmin",
    "AuditRowAdmin",
    "DataExportAdmin",
    "ErasureRequestAdmin",
    "ProposalAdmin",
    "ReserveSnapshotAdmin",
    "RetentionRuleAdmin",
]

"""What officers see of compliance: one module a topic."""

from compliance.admin.reserves import ReserveReportAdmin
from compliance.admin.trail import AuditRowAdmin

__all__ = ["AuditRowAdmin", "ReserveReportAdmin"]

"""The audit trail (bottom of all apps) and reserve snapshots (top).

Rows of the trail hold plain ids and no foreign key: they outlive what they describe. The database
itself refuses UPDATE, DELETE and TRUNCATE on the trail and its seals (migration 0002).
"""

from compliance.models.liabilities import (
    LiabilityChunk,
    LiabilityLeaf,
    LiabilityNonce,
    LiabilityTree,
)
from compliance.models.personal_data import DataExport, DataExportPart, ErasureRequest
from compliance.models.proposals import Proposal
from compliance.models.reserves import (
    ChainCheckpoint,
    ChainMint,
    ChainTransfer,
    ReserveRow,
    ReserveSignature,
    ReserveSnapshot,
    ReserveSource,
)
from compliance.models.trail import AuditAnchor, AuditRow, AuditSeal, RetentionRule

__all__ = [
    "AuditAnchor",
    "AuditRow",
    "AuditSeal",
    "ChainCheckpoint",
    "ChainMint",
    "ChainTransfer",
    "DataExport",
    "DataExportPart",
    "ErasureRequest",
    "LiabilityChunk",
    "LiabilityLeaf",
    "LiabilityNonce",
    "LiabilityTree",
    "Proposal",
    "ReserveRow",
    "ReserveSignature",
    "ReserveSnapshot",
    "ReserveSource",
    "RetentionRule",
]

"""Documents that people show (ID-2): taken in, looked at, accepted or rejected, and forgotten.

docs/kyc-documents.md tells what becomes of a file.
"""

from kyc.documents.forgetting import erase, sweep
from kyc.documents.refusals import DocumentRefused, DocumentsUnavailable
from kyc.documents.review import accept, reject
from kyc.documents.uploading import store, withdraw
from kyc.documents.viewing import page_image

__all__ = [
    "DocumentRefused",
    "DocumentsUnavailable",
    "accept",
    "erase",
    "page_image",
    "reject",
    "store",
    "sweep",
    "withdraw",
]

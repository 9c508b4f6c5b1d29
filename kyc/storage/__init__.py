"""Where the sealed pages of documents lie: a private folder, or a bucket of an S3-compatible store.

Both hold ciphertext under random names and nothing else; neither has an address that a browser could
ask. What is written is there completely or not at all.
"""

import secrets
from pathlib import Path

from django.conf import settings

from kyc.storage.base import Gone, Store, Stored
from kyc.storage.folder import Folder

__all__ = ["Folder", "Gone", "Store", "Stored", "new_key", "store"]


def new_key() -> str:
    """A name that tells nothing and that nobody guesses: 192 random bits."""
    return secrets.token_hex(24)


def store() -> Store:
    """The configured storage."""
    if not settings.DOCUMENTS_S3_BUCKET:
        return Folder(Path(settings.DOCUMENTS_DIR))
    # boto3 costs a quarter of a second and 20 MB, which only those pay who use it.
    from kyc.storage.bucket import Bucket

    return Bucket(
        name=settings.DOCUMENTS_S3_BUCKET,
        prefix=settings.DOCUMENTS_S3_PREFIX,
        encryption=settings.DOCUMENTS_S3_SSE,
        endpoint=settings.DOCUMENTS_S3_ENDPOINT,
        region=settings.DOCUMENTS_S3_REGION,
        key_id=settings.DOCUMENTS_S3_KEY_ID,
        secret=settings.DOCUMENTS_S3_SECRET,
    )

"""What is done regularly about documents."""

from celery import shared_task
from django.utils import timezone

from kyc import documents


@shared_task
def remove_orphaned_files() -> None:
    """Remove files of documents that no row names, left by a process that died."""
    documents.sweep(now=timezone.now())

"""Downloads of the audit trail."""

from django.http import StreamingHttpResponse
from django.utils import timezone

from compliance.trail.export import Filter, export


def archive_response(*, chosen: Filter, form: str, actor: str) -> StreamingHttpResponse:
    """An export as a download, sent while it is written."""
    now = timezone.now()
    response = StreamingHttpResponse(
        export(chosen=chosen, form=form, actor=actor, now=now), content_type="application/zip"
    )
    name = f"audit-{now:%Y%m%dT%H%M%SZ}-{form}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response

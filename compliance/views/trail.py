"""Downloads of the audit trail."""

from pathlib import Path

from django.conf import settings
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from agora.lib.pages import attachment
from compliance.trail.export import Filter
from compliance.trail.usage_export import TRAIL, export_of

VERIFIER = "verify_audit_export.py"


def archive_response(
    *, kind: str = TRAIL, chosen: Filter, form: str, actor: str
) -> StreamingHttpResponse:
    """An export as a download, sent while it is written. Raises usage_export.Refused."""
    now = timezone.now()
    pieces = export_of(kind, chosen=chosen, form=form, actor=actor, now=now)
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    what = "audit" if kind == TRAIL else kind
    name = f"{what}-{now:%Y%m%dT%H%M%SZ}-{form}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


@require_safe
def verifier(request: HttpRequest) -> FileResponse:
    """The stand-alone program that checks an export; public, because whoever is handed one needs it."""
    path = Path(settings.BASE_DIR) / "docs" / "verify" / VERIFIER
    return attachment(path.open("rb"), name=VERIFIER, content_type="text/x-python; charset=utf-8")

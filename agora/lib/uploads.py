"""Uploaded files: kept in memory up to a limit, and nowhere else.

Django's own handlers write large files to the disk before any view may say no, and before it is known
who sends them.
"""

import io
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

# Up to this, a file that is too large is read and dropped, so that its sender gets the page back with
# an error at the field; beyond it the connection is not worth it.
_READ_FACTOR = 4


class BoundedUpload(FileUploadHandler):
    """Keeps at most UPLOAD_MAX_BYTES of all files of a request together.

    A file that goes beyond arrives empty, with the `size` that was counted. A request that announces
    far more is refused before its body is read; one without an announced length has no body for
    Django.
    """

    def handle_raw_input(
        self,
        input_data: IO[bytes],
        META: dict[str, str],  # noqa: N803  (Django's name)
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> None:
        """Look at the announced length; raises RequestDataTooBig."""
        if content_length > _READ_FACTOR * settings.UPLOAD_MAX_BYTES:
            raise RequestDataTooBig("The request is far larger than any file may be.")
        self._kept = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._parts: list[bytes] = []

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._kept += len(raw_data)
        if self._kept <= settings.UPLOAD_MAX_BYTES:
            self._parts.append(raw_data)
        else:
            self._parts.clear()

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        content = b"".join(self._parts)
        self._parts.clear()
        return InMemoryUploadedFile(
            file=io.BytesIO(content),
            field_name=self.field_name,
            name=self.file_name,
            content_type=self.content_type,
            size=file_size,
            charset=self.charset,
            content_type_extra=self.content_type_extra,
        )

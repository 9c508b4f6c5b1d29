"""Documents in a bucket of an S3-compatible store. The only module that imports boto3."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from agora.lib.outcome import Temporary
from kyc.storage.base import Gone, Stored, checked, is_key

_ABSENT = {"NoSuchKey", "404", "NotFound"}
# MinIO and Ceph name a full disk so; AWS has no such thing.
_FULL = {"XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "507"}

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Bucket:
    """A bucket, addressed by path as stores behind one host name need it.

    `encryption` is what the store itself does on top: AES256, aws:kms or nothing. A PUT of S3 is
    atomic: a reader sees the whole object or none.
    """

    name: str
    prefix: str
    encryption: str
    endpoint: str
    region: str
    key_id: str
    secret: str

    def write(self, key: str, data: bytes) -> None:
        extra = {"ServerSideEncryption": self.encryption} if self.encryption else {}
        self._call("put_object", key, Body=data, ContentType="application/octet-stream", **extra)

    def read(self, key: str) -> bytes:
        answer = self._call("get_object", key)
        try:
            data: bytes = answer["Body"].read()
        except (BotoCoreError, OSError) as error:
            raise _failed(error) from error
        return data

    def delete(self, key: str) -> None:
        self._call("delete_object", key)

    def all(self) -> Iterator[Stored]:
        pages = self._client().get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self.name, Prefix=self.prefix):
                for found in page.get("Contents", []):
                    key = found["Key"].removeprefix(self.prefix)
                    if is_key(key):
                        yield Stored(key=key, at=found["LastModified"])
        except (BotoCoreError, ClientError) as error:
            raise _failed(error) from error

    def _call(self, name: str, key: str, **values: Any) -> Any:
        call = getattr(self._client(), name)
        try:
            return call(Bucket=self.name, Key=self.prefix + checked(key), **values)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                raise Gone(key) from error
            raise _failed(error) from error
        except BotoCoreError as error:
            raise _failed(error) from error

    def _client(self) -> Any:
        return _client(self.endpoint, self.region, self.key_id, self.secret)


@cache
def _client(endpoint: str, region: str, key_id: str, secret: str) -> Any:
    """One client for all threads; without a key of ours, boto3 finds the machine's own role."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region,
        aws_access_key_id=key_id or None,
        aws_secret_access_key=secret or None,
        config=Config(
            signature_version="s3v4",
            connect_timeout=settings.VENDOR_CONNECT_TIMEOUT,
            read_timeout=settings.VENDOR_READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": 2},
            s3={"addressing_style": "path"},
            # Not every compatible store knows the newer checksums; every ciphertext proves itself.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _failed(error: Exception) -> Temporary:
    answer = getattr(error, "response", {}).get("Error", {})
    code = "storage_full" if answer.get("Code") in _FULL else "storage"
    # The message of an error may hold an address with a key in it.
    log.error(
        "document.storage_failed",
        code=code,
        error=type(error).__name__,
        answer=str(answer.get("Code", ""))[:40],
    )
    return Temporary("the document storage cannot be used", code=code)

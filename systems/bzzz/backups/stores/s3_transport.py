"""Transport to an S3-compatible store: AWS's library signs and parses, each reply is bounded in size and time."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.loaders import create_loader
from botocore.session import Session as CoreSession
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable
from systems.bzzz.backups.stores.s3_errors import TROUBLES, trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_s3 import S3Client

    from opsverify.model.deadline import Deadline
    from systems.bzzz.backups.stores.target import S3Target

__all__ = ["CHUNK", "open_store"]

CHUNK = 1 << 20
_MOST_PARSED = 8 << 20
"""Bytes of a reply that is parsed at once: a page of a listing has 1000 keys of at most 1024 bytes, URL-quoted."""
_CONNECT, _NEXT_BYTE = seconds(4), seconds(10)
_SHORTEST = seconds(0.001)  # the library refuses a timeout of nothing
_DESCRIPTIONS = create_loader()  # of AWS's services: 20 MB, read once and not per request
_TRIES = 3  # a store may ask for a retry (503 SlowDown)


class _Bounded:
    """The body of a reply: streamed within the deadline, and bounded in size where it is parsed at once."""

    def __init__(self, raw: Any, place: str, clock: Deadline) -> None:
        self._raw, self._place, self._clock = raw, place, clock

    def read(self, amount: int | None = None) -> bytes:
        """What has come, at most `amount`; nothing at the end."""
        _refuse_late(self._place, self._clock)
        try:
            data: bytes = self._raw.read1(CHUNK if amount is None else amount)
        except HTTPError as error:
            raise trouble(error, self._place) from None
        return data

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        """All of it, for the library's parser."""
        size = 0
        while data := self.read():
            size += len(data)
            if size > _MOST_PARSED:
                message = f"{self._place} sent more than {_MOST_PARSED} bytes where a short reply is expected"
                raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
            yield data

    def close(self) -> None:
        """Cut the connection: what has not come is not waited for."""
        self._raw.close()


class _Sender:
    """Sends a signed request once. It follows no redirect to another host."""

    def __init__(self, place: str, target: S3Target, url: str, clock: Deadline) -> None:
        self._place, self._clock = place, clock
        self.status = 0
        self._bodies = list[_Bounded]()
        _refuse_late(place, clock)
        left = max(clock.remaining.total_seconds(), _SHORTEST.total_seconds())
        session: Any = URLLib3Session  # its stubs know neither a file to verify by nor a pair of timeouts
        self._session = session(
            verify=target.ca_file or True,
            proxies=get_environ_proxies(url),
            timeout=(min(_CONNECT.total_seconds(), left), min(_NEXT_BYTE.total_seconds(), left)),
        )

    def __call__(self, request: AWSPreparedRequest, **_: object) -> Any:
        """The reply, its body not read yet. Raises Unobservable."""
        request.stream_output = True
        try:
            reply = self._session.send(request)
        except HTTPClientError as error:
            raise trouble(error, self._place) from None
        self.status = reply.status_code
        body = _Bounded(reply.raw, self._place, self._clock)
        self._bodies.append(body)
        return AWSResponse(reply.url, reply.status_code, reply.headers, body)

    def close(self) -> None:
        """Close its connections, those of a reply that was not read to its end too."""
        for body in self._bodies:
            body.close()
        self._session.close()


@contextmanager
def open_store(place: str, target: S3Target, clock: Deadline) -> Iterator[S3Client]:
    """The library's client of a store; every error of it and of its replies becomes Unobservable, named by `place`."""
    _refuse_bad_authorities(target.ca_file)
    sender = None
    try:
        client = _client(target)
        sender = _Sender(place, target, client.meta.endpoint_url, clock)
        hooks: Any = client.meta.events  # in its stubs no hook gives anything back
        hooks.register("before-send.s3", sender)
        yield client
    except TROUBLES as error:
        raise trouble(error, place, sender.status if sender else 0) from None
    finally:
        if sender is not None:
            sender.close()


def _refuse_late(place: str, clock: Deadline) -> None:
    if clock.passed:
        message = f"{place} gave no complete reply within {clock.within.total_seconds():g} s"
        raise Unobservable(ErrorKind.SILENT, message)


def _refuse_bad_authorities(ca_file: str | None) -> None:
    """Raise Unobservable for an unusable ca_file: the library would report a closed connection."""
    if ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl's own errors too
        message = f"[bzzz.backups] ca_file {ca_file} cannot be used: {error.strerror or error}"
        raise Unobservable(ErrorKind.PRECONDITION, message) from None


def _client(target: S3Target) -> S3Client:
    key, secret, token = (
        each.get_secret_value() if each else None
        for each in (target.access_key_env, target.secret_key_env, target.session_token_env)
    )
    core = CoreSession(profile=target.profile)
    core.register_component("data_loader", _DESCRIPTIONS)
    session = boto3.Session(
        botocore_session=core,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        region_name=target.region,
    )
    return session.client(
        "s3",
        endpoint_url=target.endpoint,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": _TRIES},
            # Few stores other than AWS have a host name per bucket.
            s3={"addressing_style": "path" if target.endpoint else "auto"},
            user_agent_extra="opsverify",
        ),
    )

"""Errors of S3-compatible stores: AWS's error codes, which other stores use too, and what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.errors import classify
from opsverify.probes.host import Changed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TROUBLES", "trouble"]

TROUBLES = (
    botocore_errors.BotoCoreError,
    botocore_errors.ClientError,
    ResponseParserError,
    ValueError,
    TypeError,
    KeyError,
)
"""Exceptions of the library; it raises the last three for fields of a wrong type."""
_MOST = 300
_OK, _SERVER_ERROR = 200, 500
_CODES: tuple[tuple[frozenset[str], ErrorKind, str], ...] = (
    (
        frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}),
        ErrorKind.DENIED,
        "the credentials have expired; get new ones",
    ),
    (
        frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "NotSignedUp"}),
        ErrorKind.DENIED,
        "the store does not know these credentials",
    ),
    (
        frozenset(
            {"AccessDenied", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess", "401", "403"}
        ),
        ErrorKind.DENIED,
        "give the target credentials that may s3:ListBucket and s3:GetObject there",
    ),
    (
        frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"}),
        ErrorKind.PRECONDITION,
        "this machine's clock and the store's are too far apart; set this one's",
    ),
    (
        frozenset({"NoSuchBucket", "InvalidBucketName"}),
        ErrorKind.PRECONDITION,
        "nothing was ever stored there, or the target names another bucket",
    ),
    (
        frozenset({"InvalidObjectState"}),
        ErrorKind.PRECONDITION,
        "it is archived (GLACIER) and cannot be read before it is restored: aws s3api restore-object",
    ),
    (
        frozenset(
            {
                "PermanentRedirect",
                "TemporaryRedirect",
                "Redirect",
                "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException",
                *("301", "302", "307", "308"),
            }
        ),
        ErrorKind.PRECONDITION,
        "the bucket is in another region, or behind another endpoint; set region or endpoint in [bzzz.backups.s3]",
    ),
    (
        frozenset({"SlowDown", "ServiceUnavailable", "InternalError"}),
        ErrorKind.SERVER_ERROR,
        "try again later",
    ),
)
_KNOWN = frozenset().union(*(codes for codes, _, _ in _CODES))
_GONE = {"NoSuchKey", "404", "PreconditionFailed", "412"}
_NO_CREDENTIALS = (
    botocore_errors.NoCredentialsError,
    botocore_errors.PartialCredentialsError,
    botocore_errors.CredentialRetrievalError,
    botocore_errors.ProfileNotFound,
    botocore_errors.SSOError,
    botocore_errors.LoginError,
)
_NOT_S3 = (
    ResponseParserError,
    botocore_errors.PaginationError,
    botocore_errors.FlexibleChecksumError,
    ValueError,
    TypeError,
    KeyError,
)


def trouble(error: Exception, place: str, status: int = 0) -> Unobservable:
    """Why `place` could not be read; `status` is the HTTP status of its last reply, 0 where none came."""
    if isinstance(error, botocore_errors.ClientError):
        return _refusal(error, place, status)
    text = bounded_text(" ".join(str(error).split()), _MOST)
    if isinstance(error, _NO_CREDENTIALS):
        message = f"{place}: {text}; set credentials: access_key_env and secret_key_env, or profile"
        return Unobservable(ErrorKind.CREDENTIAL_MISSING, message)
    if isinstance(error, _NOT_S3):
        return Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{place} does not answer as S3 does: {text}")
    classified = classify(error)
    # The library wraps the cause: an invalid status line, or one that does not end.
    cause = repr(getattr(error, "kwargs", {}).get("error"))
    garbled = "BadStatusLine(" in cause or "LineTooLong(" in cause
    kind = ErrorKind.UNEXPECTED_REPLY if garbled else classified.kind
    return Unobservable(kind, f"{place}: {bounded_text(classified.seen, _MOST)}")


def _refusal(error: botocore_errors.ClientError, place: str, status: int) -> Unobservable:
    reply: Mapping[str, Any] = error.response
    fields, meta = reply.get("Error", {}), reply.get("ResponseMetadata", {})
    code = str(fields.get("Code") or status)
    if status == _OK and code not in _KNOWN:  # the library calls a reply that is no XML a 500
        text = "status 200 with a body that cannot be parsed"
        return Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{place} does not answer as S3 does: {text}")
    text = bounded_text(f"{status} {code}: {fields.get('Message') or 'no message'}", _MOST)
    if code in _GONE:
        return Changed(f"{place} disappeared or changed while it was read ({text})")
    known = next(((kind, hint) for codes, kind, hint in _CODES if code in codes), None)
    if known is not None:
        kind, hint = known
        region = meta.get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
        where = f"; it is in region {bounded_text(region, 40)}" if region else ""
        return Unobservable(kind, f"{place}: {text}{where}; {hint}")
    kind = ErrorKind.SERVER_ERROR if status >= _SERVER_ERROR else ErrorKind.UNEXPECTED_REPLY
    return Unobservable(kind, f"{place} answered {text}")

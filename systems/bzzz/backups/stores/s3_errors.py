"""What an S3-compatible store's refusals mean: AWS's own codes, which the others use too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore import exceptions as told_by
from botocore.parsers import ResponseParserError

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.errors import classify
from opsverify.probes.host import Changed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TROUBLES", "trouble"]

TROUBLES = (told_by.BotoCoreError, told_by.ClientError, ResponseParserError, ValueError, TypeError, KeyError)
"""What the library raises; the last three where a reply's fields are not what they should be."""
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
        "nothing was ever kept there, or the target names another",
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
    told_by.NoCredentialsError,
    told_by.PartialCredentialsError,
    told_by.CredentialRetrievalError,
    told_by.ProfileNotFound,
    told_by.SSOError,
    told_by.LoginError,
)
_NOT_S3 = (
    ResponseParserError,
    told_by.PaginationError,
    told_by.FlexibleChecksumError,
    ValueError,
    TypeError,
    KeyError,
)


def trouble(error: Exception, place: str, status: int = 0) -> Unobservable:
    """Why `place` could not be looked at; `status` is of its last reply, 0 where none came."""
    if isinstance(error, told_by.ClientError):
        return _refusal(error, place, status)
    said = bounded_text(" ".join(str(error).split()), _MOST)
    if isinstance(error, _NO_CREDENTIALS):
        told = f"{place}: {said}; name who asks: access_key_env and secret_key_env, or profile"
        return Unobservable(ErrorKind.CREDENTIAL_MISSING, told)
    if isinstance(error, _NOT_S3):
        return Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{place} does not answer as S3 does: {said}")
    found = classify(error)
    # Its own cause stands in the library's error: a status line that is none, or none before the end.
    cause = repr(getattr(error, "kwargs", {}).get("error"))
    garbled = "BadStatusLine(" in cause or "LineTooLong(" in cause
    kind = ErrorKind.UNEXPECTED_REPLY if garbled else found.kind
    return Unobservable(kind, f"{place}: {bounded_text(found.seen, _MOST)}")


def _refusal(error: told_by.ClientError, place: str, status: int) -> Unobservable:
    reply: Mapping[str, Any] = error.response
    told, meta = reply.get("Error", {}), reply.get("ResponseMetadata", {})
    code = str(told.get("Code") or status)
    if status == _OK and code not in _KNOWN:  # the library calls a reply that is no XML a 500
        said = "200, and what cannot be parsed"
        return Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{place} does not answer as S3 does: {said}")
    said = bounded_text(f"{status} {code}: {told.get('Message') or 'no message'}", _MOST)
    if code in _GONE:
        return Changed(f"{place} went away, or was written, while it was looked at ({said})")
    found = next(((kind, hint) for codes, kind, hint in _CODES if code in codes), None)
    if found is not None:
        kind, hint = found
        region = meta.get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
        where = f"; it is in region {bounded_text(region, 40)}" if region else ""
        return Unobservable(kind, f"{place}: {said}{where}; {hint}")
    kind = ErrorKind.SERVER_ERROR if status >= _SERVER_ERROR else ErrorKind.UNEXPECTED_REPLY
    return Unobservable(kind, f"{place} answered {said}")

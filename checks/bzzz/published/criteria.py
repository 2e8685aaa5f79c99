"""Criteria of published addresses: certificate and page."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.published.models import EndpointSeen

__all__ = ["published"]
_DAY = timedelta(days=1)


def published(seen: EndpointSeen, limits: BzzzLimits) -> Finding:
    """The address speaks TLS with a certificate for its name that lasts, unless the target says why it need not."""
    limit = limits.certificate_days
    left = (seen.not_after - seen.at) / _DAY if seen.not_after else math.nan
    judged = first_of(
        fail("no-tls", not seen.tls and not seen.without_tls),
        fail("certificate-expired", seen.trouble == "expired"),
        fail("not-yet-valid", seen.trouble == "not-yet-valid"),
        fail("wrong-name", seen.trouble == "wrong-name"),
        fail("too-weak", seen.trouble == "too-weak"),
        fail("certificate-expiring", seen.not_after and not left >= limit.value),
        unknown("no-expiry", seen.tls and not seen.not_after),
        fine("without-tls", not seen.tls),
        ok="certificate-right",
    )
    expected = f"{seen.url} answers over TLS, with a certificate for {seen.host} that lasts {limit} more"
    if not seen.tls:
        why = f"without TLS on purpose: {seen.without_tls} ({seen.status})"
        hint = "where people use another address, name it as `public`; where none is needed, `without_tls`"
        return judged.finding(
            expected=expected,
            observed=why if seen.without_tls else f"plain HTTP, and status {seen.status}",
            details=() if seen.without_tls else (hint,),
        )
    return judged.finding(
        expected=expected,
        observed=f"status {seen.status}, {_lasting(seen, left)}",
        details=(f"for {', '.join(seen.names)}", f"issued by {seen.issuer}"),
        limits=(limit.named("certificate_days"),),
    )


def _lasting(seen: EndpointSeen, left: float) -> str:
    """How long its certificate is valid, and what else is wrong with it."""
    until = f"valid until {seen.not_after:%Y-%m-%d %H:%M UTC}" if seen.not_after else "without an end"
    lasts = f"expired {-left:.0f} days ago" if left < 0 else f"{left:.0f} days left"
    if seen.not_after is None:
        lasts = "nobody knows how long it lasts"
    if seen.trouble == "not-yet-valid":
        lasts = f"valid from {seen.not_before:%Y-%m-%d %H:%M UTC} only"
    if seen.trouble == "expired" and left > 0:
        lasts += ", but the authority above it has expired"
    also = {
        "wrong-name": f", and it is not for {seen.host}",
        "too-weak": ", and its key, or the authority's key or signature, is too weak",
    }
    return f"{until}: {lasts}{also.get(seen.trouble, '')}"

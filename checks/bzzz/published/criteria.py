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


def published(endpoint: EndpointSeen, limits: BzzzLimits) -> Finding:
    """The address speaks TLS with a certificate for its name that lasts, unless the target says why it need not."""
    limit = limits.certificate_days
    left = (endpoint.not_after - endpoint.at) / _DAY if endpoint.not_after else math.nan
    judged = first_of(
        fail("no-tls", not endpoint.tls and not endpoint.without_tls),
        fail("certificate-expired", endpoint.trouble == "expired"),
        fail("not-yet-valid", endpoint.trouble == "not-yet-valid"),
        fail("wrong-name", endpoint.trouble == "wrong-name"),
        fail("too-weak", endpoint.trouble == "too-weak"),
        fail("certificate-expiring", endpoint.not_after and not left >= limit.value),
        unknown("no-expiry", endpoint.tls and not endpoint.not_after),
        fine("without-tls", not endpoint.tls),
        ok="certificate-right",
    )
    expected = f"{endpoint.url} answers over TLS, with a certificate for {endpoint.host} that lasts {limit} more"
    if not endpoint.tls:
        why = f"without TLS on purpose: {endpoint.without_tls} ({endpoint.status})"
        hint = "where people use another address, name it as `public`; where none is needed, `without_tls`"
        return judged.finding(
            expected=expected,
            observed=why if endpoint.without_tls else f"plain HTTP, and status {endpoint.status}",
            details=() if endpoint.without_tls else (hint,),
        )
    return judged.finding(
        expected=expected,
        observed=f"status {endpoint.status}, {_lasting(endpoint, left)}",
        details=(f"for {', '.join(endpoint.names)}", f"issued by {endpoint.issuer}"),
        limits=(limit.named("certificate_days"),),
    )


def _lasting(endpoint: EndpointSeen, left: float) -> str:
    """How long its certificate is valid, and what else is wrong with it."""
    until = f"valid until {endpoint.not_after:%Y-%m-%d %H:%M UTC}" if endpoint.not_after else "without an end"
    lasts = f"expired {-left:.0f} days ago" if left < 0 else f"{left:.0f} days left"
    if endpoint.not_after is None:
        lasts = "nobody knows how long it lasts"
    if endpoint.trouble == "not-yet-valid":
        lasts = f"valid from {endpoint.not_before:%Y-%m-%d %H:%M UTC} only"
    if endpoint.trouble == "expired" and left > 0:
        lasts += ", but the authority above it has expired"
    also = {
        "wrong-name": f", and it is not for {endpoint.host}",
        "too-weak": ", and its key, or the authority's key or signature, is too weak",
    }
    return f"{until}: {lasts}{also.get(endpoint.trouble, '')}"

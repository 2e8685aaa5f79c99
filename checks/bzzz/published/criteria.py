"""Criteria of published addresses: certificate and page."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.published.models import Endpoint

__all__ = ["published"]
_DAY = timedelta(days=1)


def published(endpoint: Endpoint, limits: BzzzLimits) -> Finding:
    """The address speaks TLS with a certificate that is valid for its name and not about to expire, unless the target says
    why it need not.
    """
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
    expected = (
        f"{endpoint.url} answers over TLS, certificate for {endpoint.host} valid for at least {limit} more"
    )
    if not endpoint.tls:
        why = f"plain HTTP on purpose: {endpoint.without_tls} (status {endpoint.status})"
        hint = "if people use another address, set `public` to it; if TLS is not needed, set `without_tls` to the reason"
        return judged.finding(
            expected=expected,
            observed=why if endpoint.without_tls else f"plain HTTP, status {endpoint.status}",
            details=() if endpoint.without_tls else (hint,),
        )
    return judged.finding(
        expected=expected,
        observed=f"status {endpoint.status}, {_validity(endpoint, left)}",
        details=(f"names: {', '.join(endpoint.names)}", f"issued by {endpoint.issuer}"),
        limits=(limit.named("certificate_days"),),
    )


def _validity(endpoint: Endpoint, left: float) -> str:
    """How long the certificate is valid, and what else is wrong with it."""
    until = f"valid until {endpoint.not_after:%Y-%m-%d %H:%M UTC}" if endpoint.not_after else "no expiry date"
    lasts = f"expired {-left:.0f} days ago" if left < 0 else f"{left:.0f} days left"
    if endpoint.not_after is None:
        lasts = "validity unknown"
    if endpoint.trouble == "not-yet-valid":
        lasts = f"not valid before {endpoint.not_before:%Y-%m-%d %H:%M UTC}"
    if endpoint.trouble == "expired" and left > 0:
        lasts += ", but its issuer's certificate has expired"
    also = {
        "wrong-name": f", but not for {endpoint.host}",
        "too-weak": ", but its key, or its issuer's key or signature, is too weak",
    }
    return f"{until}: {lasts}{also.get(endpoint.trouble, '')}"

"""Deployments, the sync job, and the way to the bridge."""

from __future__ import annotations

from urllib.parse import urlsplit

from opsverify.model.observation import Observed
from systems.statehub.activity.models import Definition

__all__ = ["Allowance", "Deployment", "Deployments", "Drift", "Route", "SyncJob"]


class Drift(Observed):
    """A deployment beside the manifest that was applied last: how many settings were compared, how many of them are
    the `same`, and in a few words those that are not.
    """

    compared: int
    same: int
    differences: tuple[str, ...]


class Deployment(Observed):
    """One deployment. `drift` is None where it does not tell which manifest was applied last.

    `pods` are its pods in a few words each; `image_ids` what those of the expected image really run, one for each
    container that tells it; `rolling` says how far a rollout is that goes on.
    """

    name: str
    found: bool
    desired: int
    available: int
    images: tuple[str, ...]
    image_ids: tuple[str, ...]
    pods: tuple[str, ...]
    stalled: str
    rolling: str
    drift: Drift | None

    @classmethod
    def absent(cls, name: str) -> Deployment:
        """The cluster has none of this name."""
        return cls(
            name=name, found=False, desired=0, available=0, images=(), image_ids=(), pods=(), stalled="", rolling="",
            drift=None,
        )  # fmt: skip


class Deployments(Observed):
    """Activity-core's deployments, the names of those that should be there, and the image that they should run."""

    image: str
    wanted: tuple[str, ...]
    deployments: tuple[Deployment, ...]


class SyncJob(Observed):
    """The job that syncs definitions: `complete`, `failed`, `running` or `absent`; absent, the definition that it left."""

    name: str
    state: str
    told: str
    definition: Definition | None


class Route(Observed):
    """Where the worker finds State Hub, and what serves there."""

    variable: str
    url: str
    origin: str
    service: str
    namespace: str
    exists: bool
    ports: tuple[int, ...]
    ready: int
    not_ready: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `url`; empty and 0 where it is none."""
        try:
            parts = urlsplit(self.url)
            return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            return "", 0


_PORTS = {"http": 80, "https": 443}


class Allowance(Observed):
    """How long a request through the bridge may take, by its configuration or else by the longest sweep that passed.

    `known_from` says where the one or the other was found; `missing` what did not show it.
    """

    configured_s: float | None
    longest_s: float | None
    known_from: str
    missing: tuple[str, ...]

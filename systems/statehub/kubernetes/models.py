"""Observed values of the cluster: deployments, the sync job, the worker's route, the bridge's time limit."""

from __future__ import annotations

from urllib.parse import urlsplit

from opsverify.model.observation import Observed
from systems.statehub.activity.models import Definition

__all__ = ["Allowance", "Deployment", "Deployments", "Drift", "Route", "SyncJob"]


class Drift(Observed):
    """A deployment compared with its last-applied configuration: how many settings were compared, how many are the `same`,
    and a short text for each difference.
    """

    compared: int
    same: int
    differences: tuple[str, ...]


class Deployment(Observed):
    """One deployment. `drift` is None if it has no last-applied configuration.

    `pods` is a short text for each pod; `image_ids` the image IDs of containers with the expected image, one for each
    container that reports it; `rolling` the state of a rollout in progress, `stalled` why a rollout does not proceed.
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
        """The cluster has no deployment of this name."""
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
    """The job that syncs definitions: `complete`, `failed`, `running` or `absent`; if absent, with the definition that it wrote."""

    name: str
    state: str
    told: str
    definition: Definition | None


class Route(Observed):
    """The worker's URL of State Hub, and the service behind it."""

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
        """Host and port of `url`; empty and 0 if it is not a URL."""
        try:
            parts = urlsplit(self.url)
            return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            return "", 0


_PORTS = {"http": 80, "https": 443}


class Allowance(Observed):
    """The bridge's time limit for a request, by its configuration or else by the longest sweep that passed.

    `known_from` is the source of that number; `missing` are the sources without one.
    """

    configured_s: float | None
    longest_s: float | None
    known_from: str
    missing: tuple[str, ...]

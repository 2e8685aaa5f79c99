"""Docker's SDK without the environment of whoever runs this: no proxy and no .netrc is meant for a daemon."""

from __future__ import annotations

from docker.api.client import APIClient

__all__ = ["DirectClient"]


class DirectClient(APIClient):
    """Goes straight to its daemon from its first request on, with which it asks for the version."""

    @property
    def trust_env(self) -> bool:
        """Whether requests takes proxies and logins from the environment."""
        return False

    @trust_env.setter
    def trust_env(self, _wanted: bool) -> None:
        """Stays so: requests sets it when a session is made."""

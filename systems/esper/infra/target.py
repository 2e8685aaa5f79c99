"""Prometheus, Grafana and Elasticsearch of an Esper-Lite target."""

from __future__ import annotations

from pydantic import field_validator

from opsverify.target.file import EnvSecret, Table, address

__all__ = ["PrometheusTarget", "WebTarget"]


class PrometheusTarget(Table):
    """The Prometheus that scrapes Nissa; `job` is the name of that scrape job."""

    url: str
    job: str = "nissa"

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        return address(url, ("http", "https"))


class WebTarget(Table):
    """Grafana or Elasticsearch; a login by `username` and a password from the environment, where one is needed."""

    url: str
    username: str | None = None
    password_env: EnvSecret | None = None

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        return address(url, ("http", "https"))

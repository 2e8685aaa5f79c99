"""Configuration of the services: secrets, configs, environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.configuration import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.configuration.models import Configuration


@pytest.mark.check(
    id="B-CFG-1",
    severity="P2",
    profiles="smoke canary",
    runbook='"Update Docker Secrets"',
    next_step="docker service update --secret-rm OLD --secret-add source=NEW,target=OLD (or --config-rm, --config-add) of the service that is named; --env-rm for a variable that does not belong there; docker secret ls; docker config ls",
)
def test_services_are_given_what_is_current(configuration: Observation[Configuration]) -> None:
    """Every service uses secrets and configs that exist and are current, and has neither secret nor debug level in its environment."""
    verify(criteria.sound_configuration(configuration.value))

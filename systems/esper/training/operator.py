"""Actions on the training side (runbook 4 and 5). It has no network API: on a live target a person acts."""

from __future__ import annotations

from opsverify.model.operator import ByHand, action
from systems.esper.actions import EsperActions

__all__ = ["TrainingActions"]

_NO_WAY_IN = "nothing outside the training process can do this"


class TrainingActions(EsperActions):
    """Ease and resume, stop and start the producers; conservative mode, cull a seed, choose a blueprint, train again."""

    @action
    async def ease_publishers(self) -> str:
        """Slow down non-critical producers."""
        return await self._command_producers(
            "ease", "reduce the publish rate of Tolaria and Tamiyo, or stop non-critical producers"
        )

    @action
    async def resume_publishers(self) -> str:
        """Return slowed producers to their normal rate; what flooded the bus stays stopped."""
        return await self._command_producers("resume", "start the producers that were stopped")

    @action
    async def set_conservative_mode(self, *, on: bool) -> str:
        """Switch Tamiyo's conservative mode on or off."""
        if self._twin is None:
            msg = (
                f"{_NO_WAY_IN}: conservative mode is a method of an object in it. Where the program offers a prompt, run "
                f"service.set_conservative_mode({on}) there; otherwise restart it with RiskConfig(conservative_mode={on}) "
                "(TAMIYO_CONSERVATIVE_MODE has no effect)"
            )
            raise ByHand(msg, verified_by=("E-TAM-2",))
        return self._control("conditions", conservative=on)

    @action
    async def cull_seed(self, seed_id: str) -> str:
        """Retire a seed: SEED_OP_CULL (an AdaptationCommand of COMMAND_SEED with seed_operation 8)."""
        if self._twin is None:
            msg = (
                f"{_NO_WAY_IN}: no program consumes commands from Oona, so publishing one has no effect. In the process that "
                f"holds Kasmina, call KasminaSeedManager.handle_command with an AdaptationCommand of command_type "
                f"COMMAND_SEED, target_seed_id {seed_id!r}, seed_operation.operation SEED_OP_CULL (8). The violation counter "
                "stays where it is: acknowledge it in the target ([esper.isolation])"
            )
            raise ByHand(msg, verified_by=("E-KAS-1", "E-TOL-3"))
        return self._control("cull", seed_id=seed_id)

    @action
    async def choose_blueprint(self, blueprint: str) -> str:
        """Have Tamiyo's next seed commands name another blueprint than a quarantined one."""
        if self._twin is None:
            msg = (
                f"{_NO_WAY_IN}: Tamiyo's policy chooses the blueprint. Cull the seed with the quarantined one "
                f"(SEED_OP_CULL), verify its row in catalog.db, and train again with {blueprint!r} or another one of tier "
                "SAFE in the catalogue"
            )
            raise ByHand(msg, verified_by=("E-TAM-3", "E-REC-6b"))
        return str(self._twin.choose_blueprint(blueprint))  # type: ignore[attr-defined]

    @action
    async def retrain(self) -> str:
        """Train again with adjusted thresholds, so that Simic validates a new policy."""
        if self._twin is None:
            msg = (
                f"{_NO_WAY_IN}: start the training again, with the validation limits of Simic's trainer adjusted, or with "
                "an older policy file (Tamiyo keeps no last known-good policy in memory). Where validation fails, the "
                "trainer must call publish_metrics itself."
            )
            raise ByHand(msg, verified_by=("E-SIM-2", "E-SIM-3"))
        return str(self._twin.retrain())  # type: ignore[attr-defined]

    @action
    async def stop_publishers(self) -> str:
        """Stop every producer."""
        return await self._command_producers(
            "stop", "stop every program that publishes to the bus (run_demo: Ctrl-C)"
        )

    @action
    async def start_publishers(self) -> str:
        """Start the producers again; only when the consumer groups are there, or what they publish is never delivered."""
        return await self._command_producers("start", "start the producers again, after Nissa")

    async def _command_producers(self, what: str, by_hand: str) -> str:
        if self._twin is None:
            msg = f"producers have no network API (conservative mode is a method inside the training process): {by_hand}"
            raise ByHand(msg, verified_by=("E-OON-2", "E-OON-4", "E-OON-5"))
        return str(self._twin.tell_producers(what))  # type: ignore[attr-defined]

    def _control(self, command: str, **arguments: object) -> str:
        return str(self._twin.stack.control(command, **arguments))  # type: ignore[union-attr]

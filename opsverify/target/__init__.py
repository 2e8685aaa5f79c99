"""The target: its file, the runbook map, waivers and incidents."""

"""Commands besides a run: plan, preflight, explain, act, watch."""

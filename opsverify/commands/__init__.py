"""What the command line can ask besides a run: plan, explain, act, watch, annotate."""

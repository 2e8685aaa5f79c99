"""The evidence of a run: journal, redaction, bundle, replay, baseline."""

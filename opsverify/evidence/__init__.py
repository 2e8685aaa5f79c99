"""What a run leaves to be judged again: journal, redaction, bundle, replay, baseline."""

"""What a run leaves to be judged again: redaction, bundle, replay, baseline."""

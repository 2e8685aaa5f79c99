"""The canary: what a schedule of runs knows that one run does not."""

"""Values and pure rules: what a verdict, a finding, a check, an observation and a limit are, and how one is judged."""

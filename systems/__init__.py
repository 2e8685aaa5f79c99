"""How each system is observed and operated: all that a run on a live target loads."""

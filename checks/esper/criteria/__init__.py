"""What must hold of Esper-Lite: pure rules from observed values and limits to findings."""

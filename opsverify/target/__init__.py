"""What is looked at: the target file, its runbook map, waivers and incidents."""

"""The workstation and its retired timer."""

"""Reports: one result model, and one file for each form it takes."""

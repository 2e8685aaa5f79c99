"""One run: start, selection, gathering, fixtures, progress, drills, lock and ledger, finish."""

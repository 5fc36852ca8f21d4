"""Kill -9 under load, and the ledger that decides from facts alone whether anything was lost; benchmarks/survival.py runs it."""

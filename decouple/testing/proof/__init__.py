"""The proof that a handler is idempotent: cases, the runs and crashes of each, and what comes of them."""

"""The webhook load suite: our own engine, and what its figures mean."""

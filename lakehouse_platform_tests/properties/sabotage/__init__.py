"""Proof that the properties can fail: each is run while the platform, never the test, is broken on purpose. `make sabotage` runs them all."""

"""The correctness properties: Hypothesis tests that drive the public steps on real Delta tables, one module a group of properties."""

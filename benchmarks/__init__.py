"""Measured comparisons: each measure is printed beside its bare baseline of the same run. Not here: tests."""

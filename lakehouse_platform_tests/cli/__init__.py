"""Tests of the `lakehouse` command."""

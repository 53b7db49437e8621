"""Tests of the steps: real files, real Delta tables."""

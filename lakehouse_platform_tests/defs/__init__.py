"""Tests of the shipped data products."""

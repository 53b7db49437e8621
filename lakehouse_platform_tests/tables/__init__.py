"""Tests of how tables load."""

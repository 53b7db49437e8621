"""Tests of the Dagster objects, with real runs on ephemeral instances and over real tables."""

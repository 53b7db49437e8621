"""Tests of the platform; the folders mirror the package. Real Delta tables, real files, no mocks."""

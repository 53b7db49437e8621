"""Tests of the files to try the platform on."""

"""Tests of reading landed files and decoding their records."""

"""Files by name, on this machine's disk or in an object store. Not here: what is in them, and tables (delta)."""

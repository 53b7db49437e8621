"""The IO manager for users' own Python assets, and the writer that it is not built on."""

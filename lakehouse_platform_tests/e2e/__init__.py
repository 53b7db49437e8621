"""End-to-end runs of the product as a user starts it: processes, real files, kills."""

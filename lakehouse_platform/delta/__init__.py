"""The only package that imports deltalake: snapshots, what a write adds and removes, commits, cursors."""

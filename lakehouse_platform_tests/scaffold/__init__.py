"""Tables proposed from samples."""

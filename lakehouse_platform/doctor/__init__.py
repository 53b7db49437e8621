"""What is wrong with a lakehouse and its machine, and what mends it: no check stops the others, or leaves anything behind."""

"""What is wrong with a lakehouse and its machine, and what mends it: each check reads only, and none stops the others."""

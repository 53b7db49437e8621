"""Quality: what a contract asks of rows and tables, what failed it, and the books."""

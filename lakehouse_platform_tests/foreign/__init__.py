"""Tables of other writers: made by Spark, by delta-rs or by hand, and read right or refused by name."""

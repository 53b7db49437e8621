"""What a user starts from: a project of their own, and tables proposed from a sample of their data. Not here: anything that runs them."""

"""The steps as plain functions: bronze, silver, gold, dimensions. They know nothing of Dagster."""

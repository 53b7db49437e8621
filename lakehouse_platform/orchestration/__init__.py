"""Everything that knows Dagster, one file a concept. Not here: what a step does (medallion); a step knows nothing of Dagster."""

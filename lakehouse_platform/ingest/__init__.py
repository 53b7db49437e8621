"""From landed files to bronze records, and from bronze records to fields."""

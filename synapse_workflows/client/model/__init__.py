"""Data model: entities, activities, annotations and tables, without requests to Synapse."""

"""Data model: entities, activities, annotations, tables. Values without I/O to Synapse."""

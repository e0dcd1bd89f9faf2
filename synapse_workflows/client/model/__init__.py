"""What things are: entities, activities, annotations. Values, no input or output."""

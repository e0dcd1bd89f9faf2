"""What things are: values without input or output."""

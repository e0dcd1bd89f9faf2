"""Contents of the web portal: what its pages show, and who may see it."""

"""fsspec file system of Synapse: `syn://syn123/folder/name.csv`."""

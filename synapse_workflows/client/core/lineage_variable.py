"""Environment variable of the file in which programs report lineage; see `lineage_file`."""

from typing import Final

#: Environment variable with the path of the file.
LINEAGE_FILE: Final = "SYNAPSE_LINEAGE_FILE"

"""IDs of AWS connections to the storage of Synapse folders.

The secrets backend imports this module while Airflow reads its configuration: it imports no other
module.
"""

import re
from typing import Any, Final

SCHEME: Final = "synapse-sts"


def is_sts_conn_id(conn_id: Any) -> bool:
    """Return whether the ID of a connection begins with `synapse-sts`."""
    return isinstance(conn_id, str) and re.match(rf"{SCHEME}(?![\w-])", conn_id) is not None

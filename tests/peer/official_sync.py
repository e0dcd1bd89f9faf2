"""Script that runs one synchronization of the official client, in the environment of that client.

`python official_sync.py COMMAND < arguments.json`, as in official.py.
"""

import warnings

import synapseutils
from official import main


def sync_to(syn, a):
    synapseutils.syncToSynapse(syn, a["manifest"], sendMessages=False)
    return {}


def sync_from(syn, a):
    files = synapseutils.syncFromSynapse(syn, a["entity"], path=a["path"], manifest="root")
    return {"files": sorted(one.id for one in files)}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(globals())

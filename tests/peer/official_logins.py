"""Script that logs in with the official client, in the environment of that client.

`python official_logins.py VERB < arguments.json` prints the result as JSON, as official.py does.
"""

import json
import sys

import synapseclient
from synapseclient.core.exceptions import SynapseError


def profiles(syn, a):
    """Log in with each profile, and return the name of the user or of the error."""
    result = {}
    for profile in a["profiles"]:
        try:
            syn.login(silent=True, **({} if profile is None else {"profile": profile}))
            result[str(profile)] = syn.credentials.username
        except SynapseError as error:
            result[str(profile)] = str(error)
    return result


def sessions(syn, a):
    """Return the users of a session token and of a token that are sent without login."""
    body = json.dumps({"email": a["email"], "password": a["password"]})
    session = syn.restPOST("/session", body=body, endpoint=syn.authEndpoint)
    header = {"sessionToken": session["sessionToken"]}
    return {
        "profile": syn.getUserProfile(sessionToken=session["sessionToken"])["userName"],
        "header": syn.restGET("/userProfile", headers=header)["userName"],
        "key": bool(syn.restGET("/secretKey", endpoint=syn.authEndpoint, headers=header)),
        "terms": syn.restGET("/termsOfUse2/status", endpoint=syn.authEndpoint, headers=header)[
            "userCurrentTermsOfServiceState"
        ],
        "token": log_in(syn, session["sessionToken"]),
    }


def log_in(syn, token):
    syn.login(authToken=token, silent=True)
    return syn.credentials.username


def main() -> None:
    arguments = json.load(sys.stdin)
    syn = synapseclient.Synapse(
        configPath=arguments.pop("config"), cache_root_dir=arguments.pop("cache"), silent=True
    )
    answer = globals()[sys.argv[1]](syn, arguments)
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()

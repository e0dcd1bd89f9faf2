"""Messages with the official client; see official.py."""

import json

from official import main


def send(syn, a):
    """Send a message and return it."""
    return syn.sendMessage(
        userIds=a["to"],
        messageSubject=a["subject"],
        messageBody=a["body"],
        contentType=a["type"],
    )


def inbox(syn, a):
    """Return the received messages with a subject, their text and content type."""
    results = syn.restGET("/message/inbox?limit=100")["results"]
    found = [each["message"] for each in results if each["message"].get("subject") == a["subject"]]
    return {"messages": [{"message": each, **read(syn, each)} for each in found]}


def read(syn, message):
    """Download the text of a message."""
    association = {
        "fileHandleId": message["fileHandleId"],
        "associateObjectId": message["id"],
        "associateObjectType": "MessageAttachment",
    }
    request = {
        "requestedFiles": [association],
        "includeFileHandles": True,
        "includePreSignedURLs": True,
    }
    found = syn.restPOST("/fileHandle/batch", json.dumps(request), syn.fileHandleEndpoint)
    (result,) = found["requestedFiles"]
    response = syn._requests_session.get(result["preSignedURL"], timeout=30)
    return {"text": response.content.decode(), "type": result["fileHandle"]["contentType"]}


if __name__ == "__main__":
    main(globals())

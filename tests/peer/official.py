"""Script that runs one command of the official client, in the environment of that client.

`python official.py COMMAND < arguments.json` prints the result as JSON. The arguments name a
configuration file in the format of ~/.synapseConfig. The client is unmodified.
"""

import hashlib
import json
import sys
from pathlib import Path

import synapseclient
from synapseclient.models import Activity, File, Folder, Project, UsedEntity, UsedURL


def md5(path: str) -> str:
    return hashlib.md5(Path(path).read_bytes()).hexdigest()


def provenance(activity: Activity) -> dict:
    """Return the parts of an Activity that both clients must read alike."""

    def plain(items: list) -> list:
        return sorted(
            [i.target_id, i.target_version_number] if hasattr(i, "target_id") else [i.url, i.name]
            for i in items
        )

    return {
        "id": activity.id,
        "name": activity.name,
        "description": activity.description,
        "used": plain(activity.used),
        "executed": plain(activity.executed),
    }


def login(syn, a):
    profile = syn.getUserProfile()
    return {"userName": profile["userName"], "ownerId": profile["ownerId"]}


def create(syn, a):
    project = Project(name=a["name"], description="made by the official client").store()
    folder = Folder(name="data", parent_id=project.id).store()
    again = Folder(name="data", parent_id=project.id).store()
    return {"project": project.id, "folder": folder.id, "again": again.id}


def store_with_provenance(syn, a):
    source = File(path=a["source"], parent_id=a["parent"]).store()
    big = File(
        path=a["path"],
        parent_id=a["parent"],
        annotations={"assay": ["rnaSeq"], "replicates": [3], "score": [0.5], "public": [True]},
        activity=Activity(
            name="align",
            description="by the official client",
            used=[UsedEntity(target_id=source.id, target_version_number=source.version_number)],
            executed=[UsedURL(name="aligner", url="https://github.com/example/aligner/blob/abc")],
        ),
    ).store()
    return {
        "id": big.id,
        "version": big.version_number,
        "md5": big.file_handle.content_md5,
        "size": big.file_handle.content_size,
        "source": [source.id, source.version_number],
        "activity": provenance(big.activity),
    }


def get(syn, a):
    file = File(
        id=a["id"],
        version_number=a.get("version"),
        path=a["directory"],
        download_file=a.get("download", True),
    ).get(include_activity=True)
    return {
        "id": file.id,
        "name": file.name,
        "version": file.version_number,
        "md5": md5(file.path) if file.path else None,
        "annotations": file.annotations,
        "activity": provenance(file.activity) if file.activity else None,
    }


def new_version(syn, a):
    file = File(id=a["id"], path=a["path"], version_comment=a["comment"]).store()
    history = syn.restGET(f"/entity/{a['id']}/version")
    return {
        "version": file.version_number,
        "history": [[v["versionNumber"], v.get("versionComment")] for v in history["results"]],
    }


def children(syn, a):
    folder = Folder(id=a["id"]).get()
    folder.sync_from_synapse(download_file=False, recursive=False)
    return {
        "legacy": sorted(c["name"] for c in syn.getChildren(a["id"])),
        "files": sorted(f.name for f in folder.files),
        "folders": sorted(f.name for f in folder.folders),
        "found": syn.findEntityId(a["name"], a["id"]),
        "missing": syn.findEntityId("no such thing", a["id"]),
    }


def permissions(syn, a):
    folder = Folder(id=a["id"]).get()
    folder.set_permissions(principal_id=int(a["principal"]), access_type=["READ", "DOWNLOAD"])
    return {
        "acl": sorted(folder.get_acl(principal_id=int(a["principal"]))),
        "mine": sorted(folder.get_permissions().access_types),
    }


def legacy_store(syn, a):
    """Call the functions of the 2.x interface, which most scripts use."""
    entity = synapseclient.File(a["path"], parent=a["parent"], fruit="apple")
    entity = syn.store(entity, used=[a["used"]], executed=[a["executed"]], activityName="legacy")
    activity = syn.getProvenance(entity)
    back = syn.get(entity.id, downloadLocation=a["directory"])
    return {
        "id": entity.id,
        "version": entity.versionNumber,
        "activityName": activity["name"],
        "used": sorted(
            [u["reference"]["targetId"], u["reference"].get("targetVersionNumber")]
            if "reference" in u
            else [u["url"], u["name"]]
            for u in activity["used"]
        ),
        "md5": md5(back.path),
        "fruit": list(back.fruit),
    }


def delete(syn, a):
    File(id=a["file"]).delete()
    Project(id=a["project"]).delete()
    try:
        syn.get(a["file"], downloadFile=False)
    except synapseclient.core.exceptions.SynapseError as error:
        return {"error": str(error)}
    return {"error": None}


def main(verbs: dict) -> None:
    arguments = json.load(sys.stdin)
    syn = synapseclient.Synapse(
        configPath=arguments.pop("config"), cache_root_dir=arguments.pop("cache"), silent=True
    )
    syn.login(silent=True)
    answer = verbs[sys.argv[1]](syn, arguments)
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(globals())

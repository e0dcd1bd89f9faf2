"""File handles, uploads and downloads."""

from support.file_api import PART
from support.route_case import Case
from synapse_workflows.constants import MODEL

START = {
    "concreteType": f"{MODEL}.file.MultipartUploadRequest",
    "fileName": "{new_name}",
    "fileSizeBytes": 4,
    "partSizeBytes": PART,
    "contentMD5Hex": "{part_md5}",
    "contentType": "text/plain",
}
COPY = {
    "concreteType": f"{MODEL}.file.MultipartUploadCopyRequest",
    "partSizeBytes": PART,
    "storageLocationId": "{location}",
    "sourceFileHandleAssociation": "{stored_association}",
}
EXTERNAL = {
    "concreteType": f"{MODEL}.file.ExternalFileHandle",
    "externalURL": "https://example.org/a",
}
STORE = {
    "concreteType": f"{MODEL}.file.ExternalObjectStoreFileHandle",
    "storageLocationId": "{store_of_bob}",
    "fileKey": "a",
    "fileName": "a",
    "contentMd5": "{part_md5}",
    "contentSize": 4,
}
S3 = {
    "concreteType": f"{MODEL}.file.S3FileHandle",
    "storageLocationId": "{location}",
    "bucketName": "a-bucket",
    "key": "a",
    "fileName": "a",
    "contentMd5": "{part_md5}",
    "contentSize": 4,
}
BATCH = {"requestedFiles": ["{stored_association}"], "includeFileHandles": True}
ASSOCIATION = "fileAssociateType=FileEntity&fileAssociateId={stored_file}"
BULK = {
    "concreteType": f"{MODEL}.file.BulkFileDownloadRequest",
    "requestedFiles": ["{stored_association}"],
}

CASES = [
    Case("GET /entity/{stored_file}/filehandles", 200),
    Case("GET /entity/{stored_file}/version/1/filehandles", 200),
    Case("GET /entity/{stored_file}/file", 307),
    Case("GET /entity/{stored_file}/file?redirect=false", 200),
    Case("GET /entity/{stored_file}/version/1/file", 307),
    Case("GET /entity/{stored_file}/version/1/file?redirect=false", 200),
    Case("GET file:/entity/{project}/uploadDestination", 200),
    Case("GET file:/entity/{project}/uploadDestination/1", 200),
    Case("GET file:/entity/{project}/uploadDestination/999999", 404, "unknown"),
    Case("GET file:/entity/{project}/uploadDestinations", 200),
    Case("GET file:/entity/{project}/uploadDestinationLocations", 200),
    Case("POST file:/file/multipart", 201, body=START),
    Case("POST file:/file/multipart", 400, "size 0", START | {"fileSizeBytes": 0}),
    Case("POST file:/file/multipart", 403, "anonymous", START, user=None),
    Case(
        "POST file:/file/multipart",
        403,
        "storage location of another",
        START | {"storageLocationId": "{location_of_bob}"},
    ),
    Case(
        "POST file:/file/multipart",
        404,
        "unknown storage location",
        START | {"storageLocationId": 999999},
    ),
    Case("POST file:/file/multipart/copy", 201, body=COPY),
    Case(
        "POST file:/file/multipart/{upload}/presigned/url/batch",
        201,
        body={"uploadId": "{upload}", "partNumbers": [1]},
    ),
    Case(
        "POST file:/file/multipart/{upload}/presigned/url/batch",
        403,
        "upload of another",
        {"uploadId": "{upload}", "partNumbers": [1]},
        user="bob",
    ),
    Case("PUT file:/file/multipart/{stored_upload}/add/1?partMD5Hex={part_md5}", 201),
    Case(
        "PUT file:/file/multipart/{upload}/add/1?partMD5Hex={part_md5}",
        201,
        "part that is missing",
    ),
    Case("PUT file:/file/multipart/{added_upload}/complete", 201),
    Case(
        "PUT file:/file/multipart/{upload}/complete",
        400,
        "missing part",
        reason="Missing N part(s). All parts must be successfully added before a file upload can "
        "be completed.",
    ),
    Case("GET file:/fileHandle/{handle}", 200),
    Case("GET file:/fileHandle/{handle_of_bob}", 403, "file handle of another"),
    Case("GET file:/fileHandle/999999", 404, "unknown"),
    Case("DELETE file:/fileHandle/{new_handle}", 200),
    Case("DELETE file:/fileHandle/999999", 200, "unknown"),
    Case("DELETE file:/fileHandle/{handle_of_bob}", 403, "file handle of another"),
    Case("DELETE file:/fileHandle/{linked_handle}", 409, "in use"),
    Case("POST file:/fileHandle/batch", 201, body=BATCH | {"includePreSignedURLs": True}),
    Case("POST file:/fileHandle/batch", 201, "file of another", BATCH, user="bob"),
    Case("POST file:/fileHandle/batch", 400, "no association", BATCH | {"requestedFiles": []}),
    Case(
        "POST file:/fileHandle/batch",
        400,
        "101 associations",
        BATCH | {"requestedFiles": ["{stored_association}"] * 101},
        reason="100",
    ),
    Case(
        "POST file:/fileHandle/batch",
        400,
        "nothing included",
        {"requestedFiles": ["{stored_association}"]},
    ),
    Case("GET file:/fileHandle/{stored_handle}/url", 307),
    Case("GET file:/fileHandle/{stored_handle}/url?redirect=false", 200),
    Case(f"GET file:/file/{{stored_handle}}?{ASSOCIATION}", 307),
    Case(f"GET file:/file/{{stored_handle}}?{ASSOCIATION}&redirect=false", 200),
    Case("POST file:/externalFileHandle", 200, body=EXTERNAL),
    Case("POST file:/externalFileHandle", 400, "URL", EXTERNAL | {"externalURL": "no url"}),
    Case("POST file:/externalFileHandle", 403, "storage location of another", STORE),
    Case("POST file:/externalFileHandle/s3", 200, body=S3),
    Case("POST file:/externalFileHandle/s3", 400, "other bucket", S3 | {"bucketName": "b-bucket"}),
    Case("POST file:/externalFileHandle/s3", 400, "no key", S3 | {"key": None}),
    Case("POST file:/externalFileHandle/s3", 400, "no MD5", S3 | {"contentMd5": None}),
    Case(
        "POST file:/externalFileHandle/s3",
        403,
        "storage location of another",
        S3 | {"storageLocationId": "{location_of_bob}", "bucketName": "b-bucket"},
    ),
    Case("POST file:/file/bulk/async/start", 201, body=BULK),
    Case("GET file:/file/bulk/async/get/{bulk_job}", 201),
    Case("GET file:/file/bulk/async/get/{new_bulk_job}", 202),
    Case(
        "POST file:/filehandles/copy",
        200,
        body={"copyRequests": [{"originalFile": "{stored_association}", "newFileName": "b"}]},
    ),
]

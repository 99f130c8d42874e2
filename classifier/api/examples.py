"""Examples for the OpenAPI document; the tests hold them against the serializers and the errors."""

from typing import Any

from classifier.intake.formats import BadImage

REQUEST_ID = "b1946ac92492d2347c6235b4d2611184"
PHOTO_UID, FACE_UID = "0a9d4f7e-5f0c-4f0e-9d3e-6f1f4f9f2a11", "7c2b9c1e-3a55-4b8e-8a86-0a5c8a3a6f90"
COLLECTION_UID = "f2a6c0de-8b7d-4a53-b1c5-2f0d3f7f5b77"

FACE: dict[str, Any] = {
    "uid": FACE_UID,
    "number": 1,
    "box": {"x1": 10.2, "y1": 20.1, "x2": 96.4, "y2": 130.0},
    "box_fraction": {"x1": 0.01, "y1": 0.0262, "x2": 0.0941, "y2": 0.1693},
    "detection": 0.9981,
    "size_px": 86,
    "cut_off": False,
    "predictions": {
        "race": {
            "taxonomy": "fairface-6",
            "label": "Black",
            "probability": 0.91,
            "unsure": False,
            "probabilities": {
                "White": 0.01,
                "Black": 0.91,
                "Latino_Hispanic": 0.03,
                "Asian": 0.01,
                "Indian": 0.03,
                "Middle Eastern": 0.01,
            },
            "set": ["Black"],
            "set_coverage": 0.9,
        },
        "gender": {
            "label": "Female",
            "probability": 0.97,
            "unsure": False,
            "probabilities": {"Male": 0.03, "Female": 0.97},
            "set": ["Female"],
            "set_coverage": 0.9,
        },
        "age": {
            "label": "30-39",
            "probability": 0.55,
            "unsure": False,
            "probabilities": {
                "0-2": 0.0,
                "3-9": 0.0,
                "10-19": 0.02,
                "20-29": 0.28,
                "30-39": 0.55,
                "40-49": 0.12,
                "50-59": 0.03,
                "60-69": 0.0,
                "more than 70": 0.0,
            },
            "set": ["30-39"],
            "set_coverage": 0.9,
            "years": 33.2,
            "low": 23,
            "high": 43,
        },
    },
}
LISTED_FACE = {"photo": PHOTO_UID, "collection": COLLECTION_UID, **FACE}
PHOTO: dict[str, Any] = {
    "uid": PHOTO_UID,
    "name": "a.jpg",
    "folder": "Morning Post/May",
    "captured_on": "2025-05-02",
    "tags": {"newspaper": "Morning Post"},
    "state": "done",
    "code": "",
    "width": 1024,
    "height": 768,
    "narrowest_face_px": 27,
    "no_face_because": "",
    "turned": 0,
    "received_at": "2026-11-22T17:30:00.120000Z",
    "finished_at": "2026-11-22T17:30:00.410000Z",
    "model": "facet-4",
    "device": "cpu",
    "timings_ms": {"decode": 8.1, "detect": 31.0, "align": 1.3, "classify": 4.2},
    "faces": [FACE],
}
UPLOAD_UID = "5f0f2f66-9a5d-49a5-9c3a-55f3d1a6c0b2"
REFUSED_ITEM = {
    "name": "b.txt",
    "outcome": "unsupported",
    "message": BadImage("unsupported").message,
    "photo": None,
}
UPLOAD = {
    "uid": UPLOAD_UID,
    "collection": COLLECTION_UID,
    "items": [{"name": "a.jpg", "outcome": "accepted", "message": "", "photo": PHOTO}, REFUSED_ITEM],
}
PENDING_PHOTO = {
    **PHOTO,
    "state": "queued",
    "narrowest_face_px": None,
    "no_face_because": "",
    "finished_at": None,
    "model": "",
    "device": "",
    "timings_ms": {},
    "faces": [],
}
PENDING_UPLOAD = {
    "uid": UPLOAD_UID,
    "collection": COLLECTION_UID,
    "items": [{"name": "a.jpg", "outcome": "accepted", "message": "", "photo": PENDING_PHOTO}],
}
NEW_COLLECTION = {
    "name": "Front pages 2025",
    "purpose": "Who is seen on the front pages of three newspapers",
    "accept_declaration": True,
    "attributes": ["race", "gender", "age"],
    "taxonomy": "fairface-7",
    "detail": "normal",
    "retention_days": 365,
    "is_aggregate_only": False,
    "keeps_capture_dates": True,
}
COLLECTION = {
    "uid": COLLECTION_UID,
    "name": "Front pages 2025",
    "purpose": "Who is seen on the front pages of three newspapers",
    "owner": "alice",
    "is_inbox": False,
    "attributes": ["race", "gender", "age"],
    "taxonomy": "fairface-7",
    "detail": "normal",
    "retention_days": 365,
    "next_deletion": {"on": "2027-11-23", "photos": 12},
    "is_aggregate_only": False,
    "keeps_capture_dates": True,
    "is_opened_to_reviewers": False,
    "terms_accepted": True,
    "created_at": "2026-11-22T17:29:00.000000Z",
    "photos": {"total": 12, "queued": 2, "running": 1, "done": 8, "failed": 1},
}
TAG_COLUMNS = {
    "results": [
        {
            "uid": "3f1d2c55-4a8e-4f8b-9d58-3c1d8e8f7a21",
            "name": "newspaper",
            "photos": 12,
            "values": ["Evening News", "Morning Post"],
            "updated_at": "2026-11-22T17:40:00.000000Z",
        }
    ]
}
_NO_LINES: dict[str, Any] = {"count": 0, "first": []}
TOLD = {
    "photos": 1,
    "rows": 2,
    "columns": {"newspaper": 1},
    "encoding": "",
    "unknown": {"count": 1, "first": [{"line": 3, "file": "img7.jpg", "message": ""}]},
    "several": _NO_LINES,
    "conflicts": _NO_LINES,
    "torn": _NO_LINES,
}
MODEL = {
    "uid": "d7a0c7d4-52e0-4d1f-8d0b-0f2f6b8a4a10",
    "name": "facet-4",
    "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "status": "production",
    "licence": "CC BY 4.0",
    "members": [
        {
            "name": "facet-3.1",
            "arch": "face_resnet29",
            "sha256": "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
            "weight": 0.6,
            "views": "mirrored",
            "size": 150,
        }
    ],
    "metrics": {},
    "thresholds": {
        "race": {"fairface-7": {"White": 0.5, "Black": 0.5, "Latino_Hispanic": None}},
        "gender": {"gender": {"Male": 0.8, "Female": 0.87}},
    },
    "created_at": "2026-11-22T17:00:00.000000Z",
}

# Status -> what it means here, and an example: code, message, details.
ERRORS: dict[int, tuple[str, str, str, dict[str, Any]]] = {
    400: (
        "Malformed: no file, or a field or parameter that is wrong (`no_files`, `invalid`, `parse_error`).",
        "invalid",
        "wait: A number of seconds from 0 to 30.",
        {"wait": ["A number of seconds from 0 to 30."]},
    ),
    401: (
        "No token or session, or a token that is unknown, expired or revoked.",
        "token_expired",
        "This token has expired.",
        {},
    ),
    403: (
        "The token may only read.",
        "scope_missing",
        "This token may only read; changing anything needs a token with the scope “upload”.",
        {},
    ),
    404: (
        "Not there, or not yours; of a list, a cursor that it did not give out (`invalid_cursor`) or a group that the "
        "taxonomy lacks (`no_such_group`); of a report, what the collection has not to choose (`no_such_choice`).",
        "not_found",
        "Not found.",
        {},
    ),
    409: (
        "The terms of the collection are not accepted; for the Inbox, the terms of use. Of a report: no face is "
        "counted (`nothing_counted`), or the shares to hold it against do not fit (`reference_refused`).",
        "terms_not_accepted",
        "The terms of use, which cover the Inbox, are not accepted for this account. Accept them at "
        "https://facet.example.org/account/, or send photos to a collection whose declaration you make.",
        {"accept_at": "https://facet.example.org/account/"},
    ),
    410: (
        "It went with its collection.",
        "report_removed",
        "This report went with its collection. A copy of it can be checked by the hash in the details.",
        {
            "uid": "c0a1f2d4-6d5e-4f6b-9c26-5a0d7d0f9b11",
            "collection": COLLECTION_UID,
            "number": 1,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "kept_at": "2026-11-23T09:05:00Z",
            "removed_at": "2026-11-29T10:00:00Z",
        },
    ),
    411: ("The body came in chunks.", "length_missing", "Send the body with a Content-Length, not in chunks.", {}),
    413: (
        "The body is over the limit (`body_too_large`), has too many files (`too_many_files`), or the space of this "
        "account is used up (`quota_exceeded`).",
        "body_too_large",
        "This body has 500000000 bytes; 419430400 are allowed here.",
        {"bytes": 500_000_000, "max_bytes": 419_430_400},
    ),
    415: (
        "Photos are sent as multipart/form-data, collections as JSON.",
        "unsupported_media_type",
        'Unsupported media type "application/json" in request.',
        {},
    ),
    429: (
        "Too many requests or photos; the header Retry-After tells the seconds to wait.",
        "throttled",
        "Too many requests; ask again in 4 s.",
        {"retry_after": 4},
    ),
    507: (
        "The site's disk is full.",
        "storage_full",
        "The disk of this site is full, so nothing was stored. Deleting photos that are no longer needed works all the "
        "same and makes room; otherwise its administrator has to.",
        {},
    ),
    503: (
        "The database is away, or others change the same (`unavailable`), or too many photos are waiting "
        "(`queue_full`): ask again after Retry-After seconds. Of a report: a worker gave it up (`report_failed`).",
        "unavailable",
        "The database cannot be reached right now.",
        {},
    ),
}

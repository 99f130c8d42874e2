"""What the OpenAPI document says of draws and answers."""

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from classifier.api import draw_serializers as serializers
from classifier.api.examples import COLLECTION_UID
from classifier.api.schema import errors, example

DRAW_UID = "0d6d9f0e-1a35-44b7-9e44-6e3f5b1f7c11"
REVIEW_UID = "6b6f3a54-08a4-4d0c-8f0b-5a1d9f1b2c33"
DRAW = {
    "uid": DRAW_UID,
    "collection": COLLECTION_UID,
    "kind": "faces",
    "filter": {},
    "narrowest_px": 40.0,
    "strata_attribute": "race",
    "strata": [{"label": "White", "part": 1, "faces": 812}, {"label": "Black", "part": 1, "faces": 190}],
    "attributes": ["race", "gender", "age"],
    "allocation": "half_even",
    "seed": 184209,
    "size": 300,
    "frame": 1002,
    "codebook": "You say how a face looks to you …",
    "codebook_version": 1,
    "declared_by": "",
    "created_at": "2026-11-23T09:00:00Z",
    "ended": "",
}
NEW_DRAW = {"collection": COLLECTION_UID, "kind": "faces", "attribute": "race", "size": 300}
ANSWER = {
    "of": "9d1c4c7e-6d52-4a3e-9a53-1f3a1c7d8e21",
    "answers": {"race": "Black", "gender": "Female", "age": "cannot_tell"},
    "seconds": 2.4,
    "client_key": "desk-17",
}

draw_list = extend_schema(
    operation_id="list_draws",
    summary="List draws, newest first",
    description="Of collections that you may read.",
    responses={200: serializers.DrawSerializer(many=True), **errors(400, 404)},
    examples=[example("a draw", DRAW)],
)
draw_create = extend_schema(
    operation_id="begin_draw",
    summary="Begin a draw",
    description="Faces of a collection of yours, stratified by what the model guessed, or photos at random. Needs the "
    "scope `upload`.",
    request=serializers.NewDrawSerializer,
    responses={201: serializers.DrawSerializer, **errors(400, 403, 404, 409, 411, 413, 415)},
    examples=[OpenApiExample("a new draw", NEW_DRAW, request_only=True), example("the draw", DRAW, status=201)],
)
draw_detail = extend_schema(
    operation_id="get_draw",
    summary="Read one draw",
    responses={200: serializers.DrawSerializer, **errors(400, 404)},
    examples=[example("a draw", DRAW)],
)
draw_enlarge = extend_schema(
    operation_id="enlarge_draw",
    summary="Draw more",
    description="From what it was drawn from, or (`later`) from photos that came after it. The number must not depend "
    "on what was answered. Needs the scope `upload`.",
    request=serializers.MoreSerializer,
    responses={200: serializers.DrawSerializer, **errors(400, 403, 404, 409, 411, 413, 415)},
    examples=[OpenApiExample("100 more", {"size": 100, "later": False}, request_only=True)],
)
draw_next = extend_schema(
    operation_id="next_in_draw",
    summary="What you look at next",
    description="Faces in an order of your own, or photos; empty when you are through. Guesses are not told.",
    responses={200: serializers.NextSerializer, **errors(400, 404)},
)
draw_answer = extend_schema(
    operation_id="answer_in_draw",
    summary="Answer",
    description="About a drawn face or photo. Sent again with the same `client_key` it is kept once. Needs the scope "
    "`upload` and the right to review.",
    request=serializers.AnswerSerializer,
    responses={
        200: OpenApiResponse(serializers.KeptSerializer, "It was kept before."),
        201: serializers.KeptSerializer,
        **errors(400, 403, 404, 409, 411, 413, 415),
    },
    examples=[
        OpenApiExample("an answer", ANSWER, request_only=True),
        example("kept", {"uid": REVIEW_UID, "dropped": []}, status=201),
    ],
)
draw_results = extend_schema(
    operation_id="get_draw_results",
    summary="What a draw tells so far",
    description="Shares with 95 % intervals, how wide they are and will be, and how far reviewers agree; of a draw of "
    "photos how many faces were missed.",
    responses={200: serializers.ResultsSerializer, **errors(400, 404)},
)
draw_sizes = extend_schema(
    operation_id="list_draw_sizes",
    summary="How many faces a precision takes",
    description="Before anybody has answered: draws by the guesses of an attribute, and the width of their intervals.",
    parameters=[OpenApiParameter("attribute", str, description="Whose guesses make the strata; left out: the first.")],
    responses={200: serializers.SizesSerializer, **errors(400, 404)},
    examples=[
        example(
            "sizes",
            {"attribute": "race", "faces": 1002, "sizes": [{"size": 300, "half_width": 0.031, "is_all": False}]},
        )
    ],
)
labels_create = extend_schema(
    operation_id="send_labels",
    summary="Send labels from elsewhere",
    description="Reference or self-identified labels as CSV, all of a file or nothing. They serve correction and "
    "training; those that you declare to be a random draw serve the shares as well, with your name. Needs the scope "
    "`upload`.",
    request=serializers.LabelsSerializer,
    responses={201: serializers.MatchedSerializer, **errors(400, 403, 404, 409, 411, 413, 415)},
    examples=[
        OpenApiExample(
            "two labels",
            {"csv": "file,face,reviewed_race\na.jpg,1,Black\na.jpg,2,White\n", "source": "reference"},
            request_only=True,
        ),
        example(
            "kept",
            {"rows": 2, "faces": 2, "new": 2, "replaced": 0, "left_out": 0, "lines": [], "draw": None},
            status=201,
        ),
    ],
)

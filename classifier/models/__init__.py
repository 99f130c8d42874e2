"""One file per noun; everything is importable from here."""

from classifier.models.accounts import AccessToken, Invitation, User
from classifier.models.aggregates import Aggregate
from classifier.models.audit import AuditAddress, AuditEvent, AuditPerson
from classifier.models.chores import Chore
from classifier.models.collections import Collection, CollectionShare
from classifier.models.draws import Codebook, Draw, DrawnFace, DrawnPhoto, FrameFace
from classifier.models.explanations import Explanation
from classifier.models.exports import AccountExport
from classifier.models.faces import Face, Guess, Prediction
from classifier.models.jobs import Job
from classifier.models.leases import FINISHED, MAX_ATTEMPTS, MAX_LOST, PENDING, Leased, LeasedQuerySet, State
from classifier.models.model_versions import ModelEvidence, ModelVersion
from classifier.models.photos import Photo, Upload, UploadItem
from classifier.models.rates import RateBucket
from classifier.models.reports import ComputedReport, KeptReport, RemovedReport
from classifier.models.reviews import CANNOT_TELL, PhotoReview, Review
from classifier.models.tags import PhotoTag, TagColumn
from classifier.models.workers import WorkerHeartbeat

__all__ = [
    "CANNOT_TELL",
    "FINISHED",
    "MAX_ATTEMPTS",
    "MAX_LOST",
    "PENDING",
    "AccessToken",
    "AccountExport",
    "Aggregate",
    "AuditAddress",
    "AuditEvent",
    "AuditPerson",
    "Chore",
    "Codebook",
    "Collection",
    "CollectionShare",
    "ComputedReport",
    "Draw",
    "DrawnFace",
    "DrawnPhoto",
    "Explanation",
    "Face",
    "FrameFace",
    "Guess",
    "Invitation",
    "Job",
    "KeptReport",
    "Leased",
    "LeasedQuerySet",
    "ModelEvidence",
    "ModelVersion",
    "Photo",
    "PhotoReview",
    "PhotoTag",
    "Prediction",
    "RateBucket",
    "RemovedReport",
    "Review",
    "State",
    "TagColumn",
    "Upload",
    "UploadItem",
    "User",
    "WorkerHeartbeat",
]

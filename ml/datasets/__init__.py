"""Readers of data sets, one a file; each gives a `ml.data.FaceSet`."""

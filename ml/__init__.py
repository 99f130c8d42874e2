"""Facet's model: faces found in photos and what a network perceives in each; knows nothing of the site."""

"""What `python -m ml.train` stands on: the recipe, the loss, the Lightning module and what watches a run."""

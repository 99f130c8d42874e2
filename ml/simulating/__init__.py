"""Simulated collections whose true shares are known: whether the estimators of `ml.shares` keep what they promise."""

"""Predictions against labels: whose they are, in which groups both can be told, and every measure of them."""

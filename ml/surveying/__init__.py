"""Surveys: predictions read from CSV, draws written and read back, and the report of who is in a collection."""

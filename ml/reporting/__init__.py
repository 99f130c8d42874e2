"""Figures, pages and numbers of the reports that the commands write."""

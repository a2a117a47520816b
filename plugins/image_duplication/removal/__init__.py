"""Removal: proposes redundant images and short variants, deactivates what was approved, undoes."""

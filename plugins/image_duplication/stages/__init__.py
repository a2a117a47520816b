"""The stages of a run. None imports another: they meet at the schemas in `tables`."""

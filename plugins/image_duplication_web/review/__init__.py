"""Pages on which people look at findings and decide."""

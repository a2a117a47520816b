"""Pages to look at: what a category shows more than once, and what a run found."""

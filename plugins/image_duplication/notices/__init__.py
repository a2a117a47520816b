"""Notices to sellers: which variants show too few pictures, what was found, what to upload."""

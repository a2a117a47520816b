"""What may be deleted below the storage root, and when: first as a manifest, then for good."""

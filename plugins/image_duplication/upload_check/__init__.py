"""The upload check: what a seller is uploading, judged as the weekly run would judge it."""

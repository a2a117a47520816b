"""Measures the upload check; `python -m benchmarks.upload_check --help`."""

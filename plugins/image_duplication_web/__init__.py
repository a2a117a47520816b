"""The web app: pages to review findings, and the check at upload."""

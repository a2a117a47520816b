"""Finds, reports and archives duplicate product pictures. Imports neither Airflow nor FastAPI."""

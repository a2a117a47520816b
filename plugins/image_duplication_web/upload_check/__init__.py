"""The check at upload over HTTP: mounted in Airflow, or a service of its own."""

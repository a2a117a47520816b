"""Where Airflow meets the domain: connections, run parameters, retries. DAG files only wire."""

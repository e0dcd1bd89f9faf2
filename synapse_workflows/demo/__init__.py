"""Demo: run the example DAGs under Airflow against a local Synapse."""

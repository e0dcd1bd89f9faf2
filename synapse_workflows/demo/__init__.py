"""Run the example DAGs against a local Synapse with real Airflow."""

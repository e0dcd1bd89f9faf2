"""The Airflow triggers."""

"""Airflow triggers for Synapse."""

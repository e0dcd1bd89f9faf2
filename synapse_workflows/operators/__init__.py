"""Airflow operators for Synapse."""

"""Airflow sensors for Synapse."""

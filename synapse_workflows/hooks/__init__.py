"""Airflow hook for Synapse."""

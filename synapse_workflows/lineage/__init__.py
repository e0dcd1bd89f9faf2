"""Lineage of Airflow tasks: collection, propagation downstream and storage as Activities."""

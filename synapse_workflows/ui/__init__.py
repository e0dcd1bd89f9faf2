"""Web pages in the Airflow UI: the lineage of DAG runs and task instances."""

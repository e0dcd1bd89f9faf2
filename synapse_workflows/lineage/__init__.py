"""How a task's record is gathered, carried along the DAG and written as an Activity."""

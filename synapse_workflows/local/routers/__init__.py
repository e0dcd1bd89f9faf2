"""HTTP routes of the local service. The domain modules contain the business rules."""

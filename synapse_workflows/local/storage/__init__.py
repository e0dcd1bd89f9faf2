"""Database models and files of the local service. The domain contains the business rules."""

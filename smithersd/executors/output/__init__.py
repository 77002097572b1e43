"""What attempts print and log: captured, and gathered into bounded pieces."""

"""What a customer subscribes to: cycles, fees, included credits, changes of plan."""

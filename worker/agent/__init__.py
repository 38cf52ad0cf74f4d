"""The process that leases runs and looks after their trainers: `python -m worker.agent`."""

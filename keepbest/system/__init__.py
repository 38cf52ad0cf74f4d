"""What the machine does while a run trains: processors, memory, disk, network and GPUs, as numbers by metric name."""

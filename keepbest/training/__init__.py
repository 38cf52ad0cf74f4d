"""What happens at a look and between looks, whoever trains: judge, keep, write, record, obey, go back."""

"""What happens at a validation and between validations, whoever trains: judge, keep, write, record, obey, go back."""

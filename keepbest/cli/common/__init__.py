"""What several verbs share: options, output, errors."""

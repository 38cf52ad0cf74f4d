"""What MLflow left: its folders, its SQLite databases, its servers. MLflow itself is not needed."""

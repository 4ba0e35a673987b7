"""What is told of what happens: log lines and metrics. Every room may tell; none of it holds a secret."""

"""One call from start to end: retries, the concurrency limit, the circuit breaker."""

"""One call to an endpoint: retries, the concurrency limit, the circuit breaker."""

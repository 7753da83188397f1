"""Endpoints that wrap another endpoint: cache, recording, telemetry."""

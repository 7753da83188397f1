"""What several commands share: options, output, progress, the session with an endpoint."""

"""Turn questions into prompts for a language model, send them, and read the replies."""

"""The flags of the commands: how they are declared, which are shared, what they mean."""

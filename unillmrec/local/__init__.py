"""Models on this machine: a GGUF file that runs in this process.

`gguf` reads what a file says about itself, and `engine` serves it to the endpoint.
"""

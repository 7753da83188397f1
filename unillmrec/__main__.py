"""`python -m unillmrec` is the command line."""

from unillmrec.cli import main

if __name__ == "__main__":
    main()

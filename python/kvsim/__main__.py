"""`python -m kvsim`."""

from kvsim.cli import main

if __name__ == "__main__":
    main()

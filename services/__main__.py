"""`python -m services`: the `clarion` command."""

from services.cli import main

if __name__ == "__main__":
    main()

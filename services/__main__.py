"""`python -m services`: the `clarion` command."""

from services.cli.app import main

if __name__ == "__main__":
    main()

"""`python -m ocicat`: the command line without its script."""

from ocicat.cli.main import main

if __name__ == "__main__":
    main()

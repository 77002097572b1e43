"""`python -m smithersd` is `smithers`."""

from smithersd.cli import main

if __name__ == "__main__":
    main()

"""`python -m hwcompat` is the `hwcompat` command."""

from .cli import run

if __name__ == "__main__":
    run()

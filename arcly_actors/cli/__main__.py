"""``python -m arcly_actors.cli`` is the `arcly` command."""

from arcly_actors.cli import main

if __name__ == "__main__":
    main()
